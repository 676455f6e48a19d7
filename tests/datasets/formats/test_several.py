"""Drawn objects that cover one another all stay in a multilabel set, which trains and is scored."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_labels import CAR, HEIGHT, ROAD, STRAY, WIDTH, inside, write_picture

import edgeseg
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.training.checkpoint import read_checkpoint

SHAPES = (("road", ROAD), ("car", CAR), ("car", STRAY))
SHORT = "--width 0.25 --batch 2 --epochs 1 --imgsz 32 32 --amp no --device cpu".split()  # noqa: SIM905


def labelme(root: Path, shapes: tuple[tuple[str, list[list[float]]], ...] = SHAPES, count: int = 4) -> Path:
    for number in range(count):
        picture = write_picture(root / f"{number:02}.png")
        drawn = [{"label": name, "points": points, "shape_type": "polygon", "flags": {}} for name, points in shapes]
        values = {"version": "5", "shapes": drawn, "imagePath": picture.name, "imageData": None}
        values |= {"imageHeight": HEIGHT, "imageWidth": WIDTH}
        picture.with_suffix(".json").write_text(json.dumps(values), encoding="utf-8")
    return root


def test_what_is_covered_stays(tmp_path: Path) -> None:
    done = edgeseg.convert_dataset(labelme(tmp_path / "set"), out=tmp_path / "out", multilabel=True)
    assert (done.classes, done.pictures) == (("car", "road"), {"train": 4})
    data = Dataset.open(tmp_path / "out")
    assert data.several
    car, road = inside(CAR) | inside(STRAY), inside(ROAD)
    assert (car & road).any()
    for pair in data.pairs("train"):
        assert np.array_equal(data.read(pair)[1], car + 2 * road)
    assert (done.pixels[0], done.pixels[1]) == (4 * car.sum(), 4 * road.sum())


def test_what_is_void_by_name_is_scored_for_no_class(tmp_path: Path) -> None:
    root = labelme(tmp_path / "set", (*SHAPES, ("__ignore__", [[0.0, 0.0], [9.0, 0.0], [9.0, 5.0], [0.0, 5.0]])))
    edgeseg.convert_dataset(root, out=tmp_path / "out", multilabel=True)
    data = Dataset.open(tmp_path / "out")
    mask = data.read(data.pairs("train")[0])[1]
    assert (mask[:5, :9] == 255).all()
    assert (mask == 255).sum() == 45


def test_by_command_it_is_written_and_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = labelme(tmp_path / "set"), tmp_path / "out"
    assert main(["dataset", "convert", str(root), "--out", str(out), "--multilabel"]) == 0
    assert "out: 4 train; read as LabelMe" in capsys.readouterr().out
    assert main(["train", "--data", str(out), "--out", str(tmp_path / "run"), *SHORT]) == 0
    spec = json.loads(read_checkpoint(tmp_path / "run/best.pt")["spec"])
    assert (spec["task"], spec["classes"]) == ("multilabel", ["car", "road"])


def test_masks_of_one_class_a_pixel_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        picture = write_picture(tmp_path / f"set/images/{number}.png")
        (tmp_path / "set/masks").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "set/masks" / picture.name), inside(ROAD).astype(np.uint8))
    with pytest.raises(DataError, match=r"masks of one class a pixel.*masks/train/CLASS"):
        edgeseg.convert_dataset(tmp_path / "set", out=tmp_path / "out", multilabel=True)


def test_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names one class beside the background"):
        edgeseg.convert_dataset(labelme(tmp_path / "set", SHAPES[1:]), out=tmp_path / "out", multilabel=True)


def test_a_class_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = labelme(tmp_path / "set", (*SHAPES, ("../up", CAR)))
    with pytest.raises(DataError, match=r"'\.\./up'.*cannot be the name of a folder"):
        edgeseg.convert_dataset(root, out=tmp_path / "out", multilabel=True)
