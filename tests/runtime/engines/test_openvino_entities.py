"""An IR that declares XML entities is refused before anything parses it."""

from __future__ import annotations

import pytest

from edgeseg.artifact import Artifact, write_manifest
from edgeseg.errors import ArtifactError
from edgeseg.runtime.engines.engine import open_engine


@pytest.mark.parametrize("declared", ['<!ENTITY a "x">', '<!ENTITY a SYSTEM "file:///etc/passwd">'])
@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
def test_an_ir_with_entities_is_refused(declared, coding, tiny_artifact, tmp_path):
    made = tiny_artifact("openvino")
    whole = (made.path / "model.xml").read_text().partition("?>")[2]
    (tmp_path / "model.xml").write_text(f"<?xml version='1.0'?><!DOCTYPE net [{declared}]>{whole}", encoding=coding)
    (tmp_path / "model.bin").write_bytes((made.path / "model.bin").read_bytes())
    fields = ("name", "precision", "format", "spec", "outputs")
    write_manifest(tmp_path, {name: getattr(made, name) for name in fields})
    with pytest.raises(ArtifactError, match="declares XML entities"):
        open_engine(Artifact.open(tmp_path))
