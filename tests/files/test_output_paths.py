"""Verbs that write leave what they read alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.errors import OutputError
from edgeseg.files.output_paths import check_apart, is_same, picture_folders


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for kind in ("images", "masks"):
        (root / kind / "val").mkdir(parents=True)
        cv2.imwrite(str(root / kind / "val" / "a.png"), np.zeros((24, 32), np.uint8))
    (root / "classes.txt").write_text("sky\nroad\ntree\n")
    return root


def test_folders_of_pictures_are_those_that_are_read_as_such(data: Path) -> None:
    assert picture_folders(data) == [data / "images", data / "masks"]
    assert picture_folders(data / "images" / "val") == [data / "images" / "val"]
    assert picture_folders(None) == picture_folders(data / "classes.txt") == []


def test_paths_that_are_not_there_yet_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path)
    assert is_same(tmp_path / "new" / "x", tmp_path / "alias" / "new" / ".." / "new" / "x")
    assert not is_same(tmp_path / "x", tmp_path / "y")
    assert not is_same(Path("/dev/null"), Path("/dev/null"))


def test_a_folder_that_would_be_replaced_with_an_input_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.pt").touch()
    with pytest.raises(OutputError, match=r"holds .*a\.pt"):
        check_apart([tmp_path / "out"], [tmp_path / "out" / "a.pt"])


@pytest.mark.parametrize(
    "words",
    [
        ["check", "{artifact}", "--save-baseline", "{artifact}/edgeseg.json"],
        ["check", "{artifact}", "--save-baseline", "{artifact}/baseline.json"],
        ["evaluate", "{artifact}", "--data", "{data}", "--out", "{artifact}"],
        ["evaluate", "{artifact}", "--data", "{data}", "--out", "{data}/images/val"],
        ["calibrate", "{artifact}", "--data", "{data}/images/val", "-o", "{data}/images/val/a.json"],
        ["calibrate", "{artifact}", "--data", "{data}", "-o", "{artifact}/set.json"],
        ["verify", "{artifact}", "{artifact}", "--trace", "--data", "{data}", "--trace-out", "{data}/images/val/a.png"],
        ["train", "--data", "{data}", "--out", "{data}", "--weights", "{data}/best.pt"],
        ["models", "--prune", "{data}/best.pt", "--depth", "2", "--out", "{data}/best.pt"],
    ],
)
def test_no_verb_writes_over_what_it_reads(data: Path, tiny_artifact: ArtifactMaker, words: list[str]) -> None:
    artifact = tiny_artifact("onnx").path
    (data / "best.pt").write_bytes(b"weights")
    before = {path: path.read_bytes() for folder in (data, artifact) for path in folder.rglob("*") if path.is_file()}
    command = [word.format(data=data, artifact=artifact) for word in words]
    answer = subprocess.run(
        [sys.executable, "-m", "edgeseg", *command], capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 2, answer.stderr
    assert "read here" in answer.stderr
    after = {path: path.read_bytes() for folder in (data, artifact) for path in folder.rglob("*") if path.is_file()}
    assert after == before
