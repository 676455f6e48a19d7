"""Each command of docs/sinks.md is run, as it stands there, and leaves what it names."""

from __future__ import annotations

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from house import ROOT
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.spec import ModelSpec

PAGE = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")
SPEC = ModelSpec("multiclass", ("background", "cell", "debris"), 24, 32)
OUTPUTS = ("--save", "--jsonl", "--report", "--out")


def list_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("edgeseg ")]


@pytest.fixture
def place(tmp_path: Path, clip: Path, tiny_artifact: ArtifactMaker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the commands name."""
    shutil.copytree(tiny_artifact("openvino", SPEC).path, tmp_path / "ARTIFACT")
    shutil.copy(clip, tmp_path / "street.mp4")
    (tmp_path / "secret.txt").write_text("0123456789abcdef")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", list_commands())
def test_a_command_of_the_page_leaves_what_it_names(command: str, place: Path) -> None:
    words = shlex.split(command, comments=True)[1:]
    assert main(words) == 0
    for flag, value in pairwise(words):
        if flag in OUTPUTS:
            assert (place / value).stat().st_size > 0, flag
