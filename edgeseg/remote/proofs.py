"""What ``verify`` proved on another machine, written into the artifacts here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeseg.artifact import MANIFEST, Artifact, update_manifest
from edgeseg.errors import ArtifactError
from edgeseg.runtime.engines.precision import RUNS_IN

RECORDS = ("proven", RUNS_IN)


def bring_proof(artifact: Artifact, manifest: Path) -> bool:
    """Take over what another machine proved of an artifact.

    Args:
        artifact: as it is here.
        manifest: ``edgeseg.json`` of its copy there, afterwards.

    Returns:
        Whether there was anything new.

    Raises:
        ArtifactError: that is of other files, or it was replaced meanwhile.
        OutputError: the folder cannot be written.
    """
    try:
        there = json.loads(manifest.read_text(encoding="utf-8"))
        measured, files = there["measured"], there["files"]
    except (ValueError, KeyError, TypeError):
        raise ArtifactError(f"What came back as the proof of {artifact.path.name} cannot be read.") from None
    if files != dict(artifact.files):
        raise ArtifactError(f"What came back as the proof of {artifact.path.name} is of other files.")
    found: dict[str, Any] = {name: measured[name] for name in RECORDS if name in measured}
    if all(artifact.measured.get(name) == value for name, value in found.items()):
        return False
    update_manifest(artifact, lambda values: values.update(measured={**values["measured"], **found}))
    return True


def name_manifests(artifacts: Sequence[Artifact], places: dict[Path, str], given: Sequence[Path]) -> dict[str, str]:
    """Name the manifests to bring back: file here to its path there.

    Args:
        artifacts: that were sent.
        places: where things lie there.
        given: what the command line calls them, in the same order.
    """
    return {
        f"proof-{number}.json": f"{places[path].removeprefix('../')}/{MANIFEST}"
        for number, (path, _) in enumerate(zip(given, artifacts, strict=True))
    }
