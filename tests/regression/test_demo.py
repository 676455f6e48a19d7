"""The demo's promises: what it leaves behind, and that it works a second time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.image import read_image
from edgeseg.verbs.demo import next_command

FRAMES = 30


def test_the_overlay_is_as_long_as_the_clip_and_differs_from_it(demo: Path) -> None:
    pictures = {}
    for name in ("clip", "overlay"):
        with av.open(str(demo / f"{name}.mp4")) as container:
            pictures[name] = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(pictures["clip"]) == len(pictures["overlay"]) == FRAMES
    assert pictures["clip"][0].shape == pictures["overlay"][0].shape
    assert abs(pictures["clip"][9].astype(int) - pictures["overlay"][9].astype(int)).mean() > 10


def test_the_contact_sheet_shows_five_scenes_in_five_columns(demo: Path) -> None:
    height, width, _ = read_image(demo / "contact_sheet.png").shape
    assert width == 5 * 256
    assert height > 5 * 256


def test_the_report_has_the_figures_of_both_models(demo: Path) -> None:
    found = json.loads((demo / "report.json").read_text())
    for precision in ("fp32", "int8"):
        figures = found[precision]
        assert 0.9 < figures["mean_iou"] < 1
        assert 0 < figures["latency_p50_ms"] <= figures["latency_p95_ms"]
        assert figures["fps"] > 0
    assert found["clip"]["frames"] == FRAMES
    assert "| mIoU | 0.9" in (demo / "report.md").read_text()


def test_the_artifacts_remember_where_they_come_from(int8: Artifact, fp32: Artifact) -> None:
    assert int8.parents["checkpoint"] == fp32.parents["checkpoint"]
    assert int8.calibration["images"] == 64
    assert int8.measured["drop_points"] <= 0.5


def test_the_int8_model_brings_its_proof(int8: Artifact) -> None:
    proof = json.loads((int8.path / "report.json").read_text())
    assert proof["verdict"]["passed"]
    assert len(proof["worst_images"]) == 6
    assert "<script" not in (int8.path / "report.html").read_text(encoding="utf-8"), "one file that opens anywhere"


@pytest.mark.alone
def test_the_command_it_ends_with_runs_in_this_shell(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a display, as on a server, into a video; the source is one that this network understands."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    command = next_command(demo)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "test://cells" in command
    (video,) = demo.glob("live*.mp4")
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 50


class TestPicturesOfAnotherKind:
    """The demo's INT8 model was calibrated on cells."""

    def run(self, demo: Path, source: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
        flags = ["--max-frames", "60", "--no-supervise", "--json", "--log-json"]
        assert main(["run", str(demo / "cells-int8-openvino"), "--source", source, *flags]) == 0
        told = capsys.readouterr()
        events = [json.loads(line) for line in told.err.splitlines()]
        found: dict[str, object] = json.loads(told.out)["unlike_calibration"]
        assert [event["source"] for event in events if event["event"] == "unlike-calibration"] == list(found)
        return found

    def test_cells_are_what_it_knows(self, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(demo, "test://cells", capsys) == {}
        assert self.run(demo, str(demo / "clip.mp4"), capsys) == {}

    def test_a_room_and_the_cells_at_night_are_not(
        self, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        room = np.zeros((240, 320, 3), np.uint8)
        room[:160], room[160:], room[60:120, 100:180] = (150, 190, 205), (40, 60, 90), (250, 252, 255)
        night = (read_image(next((demo / "scenes" / "images" / "val").iterdir())) * 0.15).astype(np.uint8)
        for name, picture in (("room", room), ("night", night)):
            cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
            assert self.run(demo, str(tmp_path / f"{name}.png"), capsys), name


def test_a_missing_checkpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--checkpoint", str(tmp_path / "none.pt"), "--out", str(tmp_path / "out")]) == 2
    assert "none.pt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_clip_of_no_frames_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["demo", "--frames", "0", "--out", str(tmp_path / "out")])
    assert left.value.code == 2
    assert "--frames: it takes a whole number from 1" in capsys.readouterr().err


def test_an_unwritable_folder_is_named_before_the_long_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_the_example_draws_masks_on_an_image(demo: Path, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "predict_image.py"
    picture = next((demo / "scenes" / "images" / "val").iterdir())
    command = [sys.executable, example, demo / "cells-int8-openvino", picture, tmp_path / "masked.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    masked, plain = read_image(tmp_path / "masked.png"), read_image(picture)
    assert masked.shape == plain.shape
    assert np.abs(masked.astype(int) - plain).mean() > 10
