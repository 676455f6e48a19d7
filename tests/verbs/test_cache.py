"""``edgeseg cache``: all of what edgeseg wrote, and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.runtime.engines.engine import open_engine

NAME = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "edgeseg"


def told(capsys: pytest.CaptureFixture[str], *flags: str) -> list[dict[str, object]]:
    assert main(["cache", "--json", *flags]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["entries"]
    return found


def entry(folder: Path, *names: str, days: float = 0.0) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"x" * 1000)
        written_s = time.time() - 86400 * days
        os.utime(folder / name, (written_s, written_s))
    return folder


def test_nothing_is_nothing(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == told(capsys, "--clear") == []
    assert not cache.exists()


def test_what_a_real_engine_keeps_is_shown_and_goes(
    cache: Path, tiny_artifact: ArtifactMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(tiny_artifact("openvino"))
    engine.close()
    (one,) = told(capsys)
    assert one["kind"] == "OpenVINO compiled models"
    assert one["bytes"] == sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    assert main(["cache", "--clear"]) == 0
    assert "removed 1, " in capsys.readouterr().out
    assert not [path for path in cache.rglob("*") if path.is_file()]
    slot = open_engine(tiny_artifact("openvino")).open_slot()
    slot.input[...] = 0
    assert isinstance(slot.run().labels, np.ndarray)


def test_only_what_is_old_enough_goes(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = entry(cache / "tensorrt" / NAME, "engine.plan", "engine.json", days=40)
    new = entry(cache / "openvino" / NAME, "1.blob", days=2)
    assert [one["removed"] for one in told(capsys, "--clear", "--older-than", "30d")] == [True]
    assert not old.exists()
    assert new.exists()


def test_files_and_folders_of_somebody_else_stay(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = entry(cache / "openvino" / NAME, "1.blob", "diary.txt")
    other = entry(cache / "openvino" / "holiday", "1.blob")
    beside = entry(cache / "photos", "1.blob")
    told(capsys, "--clear")
    assert [path.name for path in mine.iterdir()] == ["diary.txt"]
    assert (other / "1.blob").exists()
    assert (beside / "1.blob").exists()


def test_no_link_is_followed(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = entry(tmp_path / "outside", "1.blob", "2.blob")
    held = entry(cache / "openvino" / NAME, "3.blob")
    (held / "4.blob").symlink_to(outside / "1.blob")
    (cache / "openvino" / NAME[::-1]).symlink_to(outside)
    (cache / "tensorrt").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert len(told(capsys, "--clear")) == 1
    assert {path.name for path in outside.iterdir()} == {"1.blob", "2.blob"}
    assert not (held / "3.blob").exists()


def test_the_text_has_a_sum_and_the_command_that_clears(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry(cache / "openvino" / NAME, "1.blob")
    assert main(["cache"]) == 0
    text = capsys.readouterr().out
    assert str(cache) in text
    assert "OpenVINO compiled models" in text
    assert "edgeseg cache --clear" in text


def test_a_time_that_is_none_is_refused(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--clear", "--older-than", "soon"]) == 2
    assert "found 'soon'" in capsys.readouterr().err


def test_networks_of_the_zoo_are_shown_and_go_and_nothing_else(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = entry(cache / "zoo" / NAME, "lock", "net.tflite")
    artifact = entry(folder / "net-fp32-openvino", "edgeseg.json", "model.xml", "model.bin")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "model.xml").touch()
    (folder / "other-fp32-openvino").symlink_to(tmp_path / "theirs")
    (one,) = told(capsys)
    assert (one["kind"], one["bytes"]) == ("networks of the zoo", 5000)
    told(capsys, "--clear")
    assert not artifact.exists()
    assert (tmp_path / "theirs" / "model.xml").exists()
    assert [path.name for path in folder.iterdir()] == ["other-fp32-openvino"]


def test_a_converted_data_set_is_shown_and_goes_and_its_pictures_stay(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = entry(cache / "datasets" / NAME, "classes.txt", "notes.txt")
    entry(folder / "masks" / "train", "a.png")
    theirs = entry(tmp_path / "theirs", "a.jpg")
    entry(folder / "images" / "train")
    (folder / "images" / "train" / "a.jpg").symlink_to(theirs / "a.jpg")
    (folder / "masks" / "val").symlink_to(theirs, target_is_directory=True)
    (one,) = told(capsys)
    assert one["kind"] == "converted data sets"
    told(capsys, "--clear")
    assert (theirs / "a.jpg").exists()
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "masks",
        "masks/val",
        "notes.txt",
    ]
