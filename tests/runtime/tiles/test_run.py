"""``edgeseg run --tile``: masks and overlays of pictures at their own scale, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiles_nets import MakeNet

import edgeseg
from edgeseg.cli import main
from edgeseg.image import UInt8, read_image, read_mask

TILE = (96, 128)


@pytest.fixture
def folder(tmp_path: Path, scene: UInt8) -> Path:
    """Two pictures and a file that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), scene)
    cv2.imwrite(str(folder / "b.png"), scene[:150, ::-1])
    return folder


def test_masks_are_those_of_the_whole_picture(
    make_net: MakeNet, folder: Path, scene: UInt8, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, overlays = tmp_path / "masks", tmp_path / "overlays"
    words = ["run", str(make_net(*TILE).path), "--source", str(folder), "--tile", "--json"]
    assert main([*words, "--save-masks", str(masks), "--save", str(overlays)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["pictures"], said["overlap"], said["exact"]) == (2, 32, True)
    assert said["written"] == [str(masks), str(overlays)]
    assert sum(said["classes"].values()) == pytest.approx(1, abs=1e-4)
    assert said["pixels"] == 450 * 380
    with edgeseg.load(make_net(300, 380)) as model:
        np.testing.assert_array_equal(read_mask(masks / "a.png"), model(scene).labels)
    assert read_mask(masks / "b.png").shape == (150, 380)
    assert read_image(overlays / "a-overlay.png").shape == scene.shape


def test_a_summary_says_how_fast_it_was_and_what_was_found(
    make_net: MakeNet, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(make_net(*TILE).path), "--source", str(folder / "a.png"), "--tile", "32"]) == 0
    said = capsys.readouterr().out
    for part in ("1 pictures, 20 tiles in", "megapixels a second", "tiles of 96x128, overlap 32 px", "found: "):
        assert part in said


def test_a_picture_that_cannot_be_read_is_left_out(
    make_net: MakeNet, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes()[:-400])
    masks = tmp_path / "masks"
    words = ["run", str(make_net(*TILE).path), "--source", str(folder), "--tile", "--save-masks", str(masks)]
    assert main(words) == 0
    streams = capsys.readouterr()
    assert "1 pictures skipped" in streams.out
    assert "c.png" in streams.err
    assert sorted(path.name for path in masks.iterdir()) == ["a.png", "b.png"]
    shutil.copy(folder / "c.png", tmp_path / "c.png")
    assert main([*words[:3], str(tmp_path / "c.png"), "--tile"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "0", "--tile"], "--tile is for pictures, and 0 is a camera"),
        (["--source", "CLIP", "--tile"], "is a video: its frames are resized"),
        (["--source", "none.png", "--tile"], "There is no picture and no folder none.png"),
        (["--source", "FOLDER", "--tile", "49"], "overlap larger than half a tile: local-fp32-onnx takes 96x128"),
        (["--source", "FOLDER", "--tile", "wide"], "takes an overlap in pixels"),
        (["--source", "FOLDER", "--tile", "--show"], "--show does not go with --tile"),
        (["--source", "FOLDER", "--tile", "--every", "2"], "--every does not go with --tile"),
        (["--source", "FOLDER", "--tile", "--max-frames", "2"], "--max-frames does not go with --tile"),
        (["--source", "FOLDER", "--tile", "--save", "out.mp4"], "is a video and does not go with --tile"),
        (["--source", "FOLDER", "--tile", "--save-masks", "FOLDER"], "is the source itself"),
        (["--source", "FOLDER", "--tile-edges", "mirror"], "--tile-edges needs something to apply to: give --tile"),
    ],
)
def test_what_cannot_be_meant_is_said(
    make_net: MakeNet, folder: Path, clip: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    said = [{"FOLDER": str(folder), "CLIP": str(clip)}.get(word, word) for word in words]
    assert main(["run", str(make_net(*TILE).path), *said]) == 2
    assert message in capsys.readouterr().err


def test_a_mask_that_cannot_be_written_is_said_before_the_work(
    make_net: MakeNet, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    words = ["run", str(make_net(*TILE).path), "--source", str(folder), "--tile"]
    assert main([*words, "--save-masks", str(tmp_path / "taken")]) == 2
    assert "is a file, but a folder is needed there" in capsys.readouterr().err
