"""Whole drives held out by the beginnings of their pictures' names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.training.data.hold_out import with_named_held_out

WIDTH = ["--model", "unet", "--width", "0.25"]
FLAGS = [*WIDTH, "--crop", "32", "32", "--epochs", "1", "--amp"]
FLAGS += ["no", "--device", "cpu", "--hold-out", "driveb"]


@pytest.fixture
def drives(tmp_path: Path, disc_folder: Path) -> Path:
    """Train: 0..5 of drive a, 6..11 of drive b; val: 4 more of drive b."""
    for kind in ("images", "masks"):
        for split in ("train", "val"):
            (tmp_path / kind / split).mkdir(parents=True)
            for file in (disc_folder / kind / split).iterdir():
                drive = "a" if split == "train" and int(file.stem) < 6 else "b"
                shutil.copy(file, tmp_path / kind / split / f"drive{drive}_{split}{file.name}")
    shutil.copy(disc_folder / "classes.txt", tmp_path)
    return tmp_path


def names(data: Dataset, split: str) -> set[str]:
    return {pair.image.name[:6] for pair in data.pairs(split)}


def test_all_of_a_drive_is_scored_on_and_none_of_it_trained_on(drives: Path) -> None:
    data, said = with_named_held_out(Dataset.open(drives), drives / "out", ["driveb"])
    assert names(data, "train") == {"drivea"}
    assert names(data, "val") == {"driveb"}
    assert len(data.pairs("val")) == 10, "those of train and those of val"
    assert said == "all whose names begin with 'driveb'."
    image, mask = data.read(data.pairs("val")[0])
    assert image.shape[:2] == mask.shape
    again, _ = with_named_held_out(Dataset.open(drives), drives / "out", ["driveb"])
    assert again.pairs("val") == data.pairs("val")


def test_the_rest_of_the_old_val_split_is_on_neither_side(drives: Path) -> None:
    data, said = with_named_held_out(Dataset.open(drives), drives / "out", ["drivea"])
    assert (len(data.pairs("train")), len(data.pairs("val"))) == (6, 6)
    assert "4 of the old val split are not used" in said


def test_a_name_that_is_not_there_or_leaves_nothing_is_refused(drives: Path) -> None:
    data = Dataset.open(drives)
    with pytest.raises(UserError, match=r"begins with 'drivec'\. First parts of names: drivea, driveb\."):
        with_named_held_out(data, drives / "out", ["drivec"])
    with pytest.raises(UserError, match="none is left to train on"):
        with_named_held_out(data, drives / "out", ["drivea", "driveb"])


def test_the_command_holds_a_drive_out_and_says_so(drives: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = drives / "run"
    flags = FLAGS
    assert main(["train", "--data", str(drives), "--out", str(out), *flags]) == 0
    assert "scored on 10 pictures and trained on 6" in capsys.readouterr().err
    assert len(list((out / "data" / "images" / "val").iterdir())) == 10
