"""What is in sight: artifacts, cameras, pictures; in a moment, whatever lies about."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from edgeseg.runtime.session import in_sight
from edgeseg.runtime.session.in_sight import SeenCamera, list_cameras, look_around


def write_artifact(folder: Path, precision: str = "fp32", changed_s: float = 1000) -> Path:
    folder.mkdir(parents=True)
    spec = {"classes": ["background", "road"]}
    (folder / "edgeseg.json").write_text(json.dumps({"precision": precision, "format": "onnx", "spec": spec}))
    (folder / "preview.png").touch()
    os.utime(folder / "edgeseg.json", (changed_s, changed_s))
    return folder


def test_artifacts_are_found_int8_first_and_then_the_newest(tmp_path: Path) -> None:
    old = write_artifact(tmp_path / "artifacts/old-fp32-onnx", changed_s=1000)
    new = write_artifact(tmp_path / "runs/a/b/new-fp32-onnx", changed_s=2000)
    int8 = write_artifact(tmp_path / "x-int8-onnx", "int8", 500)
    seen = look_around(tmp_path)
    assert [each.path for each in seen.artifacts] == [int8, new, old]
    assert seen.artifacts[0].classes == ("background", "road")
    assert not seen.folders
    assert seen.is_whole


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"precision": 1}', "\x00", '{"spec": [], "precision": "", "format": ""}']
)
def test_what_is_no_artifact_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/edgeseg.json").write_text(text)
    assert not look_around(tmp_path).artifacts


def test_videos_and_folders_of_pictures_are_found_and_environments_are_not(tmp_path: Path) -> None:
    for name in ("clips/b.mp4", "a.MOV", "photos/1.jpg", "photos/2.png", "one/1.png", ".hidden/x.mp4", "env/lib/x.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "env/pyvenv.cfg").touch()
    seen = look_around(tmp_path)
    assert seen.videos == [tmp_path / "a.MOV", tmp_path / "clips/b.mp4"]
    assert seen.folders == [tmp_path / "photos"]


def test_a_large_tree_takes_a_moment_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(450):
        (tmp_path / f"d{number}").mkdir()
    assert not look_around(tmp_path, seconds=60).is_whole
    write_artifact(tmp_path / "artifacts/a")
    began_s = time.monotonic()
    seen = look_around(tmp_path, seconds=0)
    assert time.monotonic() - began_s < 1
    assert not seen.is_whole
    monkeypatch.setattr(in_sight, "_MOST_FOLDERS", 3)
    assert [each.path.name for each in look_around(tmp_path, seconds=60).artifacts] == ["a"]  # looked at first


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_folders_that_may_not_be_read_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    assert look_around(tmp_path).is_whole


def test_a_link_in_a_circle_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/self").symlink_to(tmp_path, target_is_directory=True)
    assert look_around(tmp_path).is_whole


def test_cameras_are_those_that_give_pictures(tmp_path: Path) -> None:
    for device, name, index in (("video10", "Webcam", "0"), ("video2", "Cam\x1b[31m", "0"), ("video3", "Cam", "1")):
        (tmp_path / device).mkdir()
        (tmp_path / device / "name").write_text(f"{name}\n")
        (tmp_path / device / "index").write_text(f"{index}\n")
    (tmp_path / "video-x").mkdir()
    assert list(list_cameras(tmp_path)) == [SeenCamera(2, "Cam\x1b[31m"), SeenCamera(10, "Webcam")]
    assert not list(list_cameras(tmp_path / "nowhere"))
