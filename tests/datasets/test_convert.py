"""What ``edgeseg dataset convert`` writes, and what it refuses by file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_sets import CLASSES, draw_image, draw_labels, paint, write_pairs, write_picture

import edgeseg
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.datasets.convert import WrongLabelsError
from edgeseg.errors import DataError, OutputError
from edgeseg.image import read_image


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    root = write_pairs(tmp_path / "flat", "images/{}.png", "masks/{}.png")
    (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    return root


def test_it_writes_our_layout_that_holds_what_was_drawn(flat: Path, tmp_path: Path) -> None:
    done = edgeseg.convert_dataset(flat, out=tmp_path / "out")
    assert (done.pictures, done.classes) == ({"train": 6}, CLASSES)
    data = Dataset.open(done.folder)
    for pair in data.pairs("train"):
        image, mask = data.read(pair)
        number = int(pair.image.stem)
        assert np.array_equal(mask, draw_labels(number))
        assert np.array_equal(image, read_image(flat / f"images/{number}.png"))
    assert sum(done.pixels.values()) == 6 * mask.size
    assert json.loads((done.folder / "converted.json").read_text(encoding="utf-8"))["source"] == str(flat)


def test_by_command_with_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_pairs(tmp_path / "colored", "images/{}.png", "masks/{}.png", encode=paint)
    colors = ["background=0,0,0", "box=200,30,30", "disc=#14a0dc"]
    assert main(["dataset", "convert", str(root), "--out", str(tmp_path / "out"), "--colors", *colors, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == list(CLASSES)
    assert main(["dataset", "convert", str(root), "--out", str(tmp_path / "more")]) == 2
    told = capsys.readouterr().err
    assert "or say what each means with --colors" in told or "Say what each means with --colors" in told
    assert not (tmp_path / "more").exists()


class TestPicturesWithoutAMask:
    def test_they_are_named_and_the_ways_on(self, flat: Path, tmp_path: Path) -> None:
        write_picture(flat / "images/good.png", draw_image(50))
        with pytest.raises(WrongLabelsError, match=r"1 of 7 pictures .*good\.png.*missing='background'") as caught:
            edgeseg.convert_dataset(flat, out=tmp_path / "out")
        assert len(caught.value.wrong) == 1
        with pytest.raises(WrongLabelsError):
            Dataset.open(flat)

    def test_a_good_part_is_all_background(self, flat: Path, tmp_path: Path) -> None:
        write_picture(flat / "images/good.png", draw_image(50))
        done = edgeseg.convert_dataset(flat, out=tmp_path / "out", missing="background")
        data = Dataset.open(done.folder)
        (pair,) = [pair for pair in data.pairs("train") if pair.image.stem == "good"]
        assert not data.read(pair)[1].any()

    def test_or_left_out(self, flat: Path, tmp_path: Path) -> None:
        write_picture(flat / "images/good.png", draw_image(50))
        done = edgeseg.convert_dataset(flat, out=tmp_path / "out", missing="skip")
        assert (done.pictures, len(done.left_out)) == ({"train": 6}, 1)


class TestWrongLabels:
    @pytest.mark.parametrize(
        ("harm", "sentence"),
        [
            ("index", r"masks/3\.png holds the value 9, but there are 3 classes"),
            ("size", r"masks/3\.png is 64x46 but its image 3\.png is 64x48"),
            ("turned", r"masks/3\.png is 48x64 .*EXIF"),
            ("cut", r"masks/3\.png is a truncated PNG"),
            ("jpeg", r"masks/3\.jpg is a JPEG file"),
        ],
    )
    def test_they_are_named_by_file_and_may_be_left_out(
        self, flat: Path, tmp_path: Path, harm: str, sentence: str
    ) -> None:
        place, labels = flat / "masks/3.png", draw_labels(3)
        if harm == "index":
            labels[0, 0] = 9
        elif harm == "size":
            labels = labels[1:-1]
        elif harm == "turned":
            labels = np.ascontiguousarray(labels.T)
        write_picture(place, labels)
        if harm == "cut":
            place.write_bytes(place.read_bytes()[:-20])
        if harm == "jpeg":
            place.unlink()
            write_picture(place.with_suffix(".jpg"), labels)
        with pytest.raises(WrongLabelsError, match=rf"(?s)1 of 6 pictures .*{sentence}"):
            edgeseg.convert_dataset(flat, out=tmp_path / "out")
        assert not (tmp_path / "out").exists()
        done = edgeseg.convert_dataset(flat, out=tmp_path / "out", skip_wrong=True)
        assert done.pictures == {"train": 5}
        assert not (done.folder / "masks/train/3.png").exists()


def test_names_that_meet_in_one_folder_stay_apart(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "set", "a/images/{}.png", "a/masks/{}.png", count=2)
    write_pairs(root, "b/images/{}.png", "b/masks/{}.png", count=2)
    (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    done = edgeseg.convert_dataset(root, out=tmp_path / "out")
    assert done.pictures == {"train": 4}
    assert len(Dataset.open(done.folder).pairs("train")) == 4


def test_nothing_is_written_over(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(OutputError, match="holds something"):
        edgeseg.convert_dataset(flat, out=tmp_path / "out")


def test_a_folder_of_something_else_lists_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none", encoding="utf-8")
    with pytest.raises(DataError, match=r"no format that is read; found notes\.txt.*Pascal VOC"):
        edgeseg.convert_dataset(tmp_path, out=tmp_path / "out")
