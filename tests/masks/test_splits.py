"""Every folder below images/ with one of its name below masks/ is a split, and test is one."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.errors import DataError

Write = Callable[..., Path]
MASK = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)


@pytest.fixture
def root(tmp_path: Path, write_dataset: Write) -> Path:
    for split in ("night", "test", "val", "train"):
        write_dataset(tmp_path, {split: MASK}, split)
    (tmp_path / "images" / "unlabelled").mkdir()
    return tmp_path


def test_folders(root: Path) -> None:
    data = Dataset.open(root)
    assert list(data.folders) == ["train", "val", "test", "night"]
    assert [data.pairs(split)[0].image.stem for split in data.folders] == list(data.folders)
    with pytest.raises(DataError, match=r"no split 'day'; found \['night', 'test', 'train', 'val'\]"):
        data.pairs("day")


def test_a_test_folder_without_masks_is_told_so(root: Path) -> None:
    (root / "masks/test").rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"no mask folder .*masks.test"):
        Dataset.open(root).pairs("test")


def test_a_yaml(root: Path) -> None:
    text = "train: images/train\nval: images/val\ntest: images/test\nrain: images/night\nnames: [a, b]\nlicense: CC0\n"
    (root / "data.yaml").write_text(text, encoding="utf-8")
    data = Dataset.open(root)
    assert list(data.folders) == ["train", "val", "test", "rain"]
    assert data.pairs("rain")[0].mask == root / "masks/night/night.png"


def test_masks_of_a_folder_of_the_same_name(tmp_path: Path, write_dataset: Write) -> None:
    """Cityscapes keeps leftImg8bit/val beside gtFine/val."""
    root = write_dataset(tmp_path, {"a": MASK}, "val")
    (root / "images").rename(root / "leftImg8bit")
    (root / "masks").rename(root / "gtFine")
    (root / "data.yaml").write_text("val: leftImg8bit/val\nmasks: gtFine\nnames: [a, b]\n", encoding="utf-8")
    assert Dataset.open(root).pairs("val")[0].mask == root / "gtFine/val/a.png"


def test_an_accent_is_one_whichever_way_it_is_spelled(tmp_path: Path, write_dataset: Write) -> None:
    composed, apart = (unicodedata.normalize(form, "Foto é") for form in ("NFC", "NFD"))
    root = write_dataset(tmp_path, {composed: MASK})
    (root / f"masks/train/{composed}.png").rename(root / f"masks/train/{apart}.png")
    (pair,) = Dataset.open(root).pairs("train")
    assert pair.mask.stem == apart


def test_a_mask_of_a_longer_name_is_pointed_at(tmp_path: Path, write_dataset: Write) -> None:
    root = write_dataset(tmp_path, {"a": MASK})
    (root / "masks/train/a.png").rename(root / "masks/train/a_mask.ppm")
    with pytest.raises(DataError, match=r"a_mask\.ppm may be one: call it a\.png.*Convert them to PNG"):
        Dataset.open(root).pairs("train")
