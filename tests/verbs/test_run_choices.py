"""``edgeseg run`` without what it needs says what is there, and gives lines that run as they are typed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.runtime.session import in_sight
from edgeseg.runtime.session.in_sight import SeenCamera


@pytest.fixture
def here(tmp_path: Path, tiny_artifact: ArtifactMaker, clip: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an artifact, a clip and a folder of pictures."""
    shutil.copytree(tiny_artifact("onnx").path, tmp_path / "artifacts/tiny fp32")
    shutil.copy(clip, tmp_path / "street.mp4")
    (tmp_path / "photos").mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"photos/{number}.png"), np.full((48, 64, 3), 90 * number, np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["run", *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    return err


def lines_in(said: str) -> list[list[str]]:
    lines = [shlex.split(line) for line in said.partition("To type:\n")[2].splitlines()]
    return [line[line.index("run") if "run" in line else 0 :] for line in lines]


@pytest.mark.usefixtures("here")
def test_nothing_given_says_what_is_here_and_each_line_runs(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys)
    for part in ("artifacts/tiny fp32  (fp32, onnx: ", "street.mp4", "photos/", "Cameras of this machine: none."):
        assert part in said
    lines = lines_in(said)
    assert [line[3] for line in lines] == ["street.mp4", "photos", "test://cells"]
    for line in lines:
        words = line if "--max-frames" in line else [*line, "--max-frames", "2"]
        assert main([*words, "--no-supervise"]) == 0, words
        capsys.readouterr()
    assert Path("overlay.mp4").is_file()
    assert len(list(Path("masks").iterdir())) == 2


def test_an_artifact_without_a_source_is_told_the_sources(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(capsys, str(here / "artifacts/tiny fp32"))
    assert "--source is missing" in said
    assert "Artifacts in sight" not in said
    assert {line[1] for line in lines_in(said)} == {str(here / "artifacts/tiny fp32")}


@pytest.mark.usefixtures("here")
def test_a_source_without_an_artifact_is_told_the_artifacts(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_in(said_of(capsys, "--source", "street.mp4")) == [
        ["run", "artifacts/tiny fp32", "--source", "street.mp4"]
    ]
    said = said_of(capsys, "--source", "rtsp://user:s3cret@cam/1")
    assert "s3cret" not in said
    assert lines_in(said)[0][-1] == "ADDRESS"


@pytest.mark.usefixtures("here")
def test_a_camera_comes_first(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_sight, "list_cameras", lambda: [SeenCamera(2, "Logitech\x1b[31m C920")])
    said = said_of(capsys)
    assert "2  Logitech\\u001b[31m C920" in said
    assert lines_in(said)[0][2:] == ["--source", "2", "--show"]


def test_where_nothing_is_there_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = said_of(capsys)
    assert "Artifacts in sight: none." in said
    assert "  people  (near persons" in said
    assert [line[:2] for line in lines_in(said) if line[0] == "run"] == [["run", "people"]]
    assert "demo" in said
    assert "export best.pt" in said


def test_it_takes_half_a_second_beyond_the_start_of_python(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"d{number % 40}/e{number}").mkdir(parents=True)
    began_s = time.monotonic()
    in_sight.look_around(tmp_path)
    assert time.monotonic() - began_s < 0.5
    loaded = "import sys, edgeseg.cli as cli; cli.main(['run']); print('cv2' in sys.modules, 'av' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", loaded], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.split() == ["False", "False"]
