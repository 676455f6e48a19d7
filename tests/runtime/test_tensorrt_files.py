"""The files for devices say what the code says: no tool to run them is needed for that."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeseg.cli import build_parser
from edgeseg.runtime import tensorrt_install

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "edgeseg.service"
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile*"))


def test_the_unit_runs_a_command_that_exists() -> None:
    (command,) = re.findall(r"^ExecStart=(.+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    words = command.split()
    args = build_parser("run").parse_args(words[1:])
    assert words[0].endswith("/edgeseg")
    assert args.source == "/dev/video0"


def test_the_unit_does_not_restart_after_a_mistake_of_the_user() -> None:
    assert "RestartPreventExitStatus=2" in UNIT.read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / UNIT.name).write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / UNIT.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_does_not_run_as_root_and_keeps_its_engines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^USER edgeseg$", text, re.MULTILINE)
    (cache,) = re.findall(r"^ENV XDG_CACHE_HOME=(\S+)$", text, re.MULTILINE)
    assert f"VOLUME {cache}" in text
    assert f"install -d -m 700 -o edgeseg -g edgeseg {cache}" in text


@pytest.mark.parametrize(
    "path", [ROOT / "docs" / "jetson.md", ROOT / "docker" / "Dockerfile.jetson"], ids=lambda p: p.name
)
def test_the_bindings_are_those_that_the_doctor_names(path: Path) -> None:
    assert tensorrt_install._BINDINGS[6] in path.read_text(encoding="utf-8")
