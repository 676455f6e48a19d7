"""Masks that cannot judge a network are refused, each file for itself; honest ones are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.image import UInt8
from edgeseg.masks.census import MaskCensus

Write = Callable[..., Path]
TWO = "background\nroad\n"
THREE = "other\nsky\nroad\n"


def disc(at: int, value: int = 1, size: int = 96) -> UInt8:
    """A mask of zeros with a disc of ``value``, somewhere else for every ``at``."""
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (24 + 7 * at % 48, 30 + 11 * at % 40), 14, value, -1)
    return mask


def ring(mask: UInt8, value: int = 255) -> UInt8:
    """The mask with a seam of ``value``, three pixels wide, around what is drawn."""
    inside = mask > 0
    grown = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(grown & ~inside, np.uint8(value), mask)


def view(mask: UInt8) -> UInt8:
    """The mask with 255 outside a round view, as a microscope or an eye camera gives."""
    seen = np.zeros_like(mask)
    cv2.circle(seen, (48, 48), 44, 1, -1)
    return np.where(seen > 0, mask, np.uint8(255))


def judge(root: Path, masks: dict[str, UInt8], write: Write, names: str = TWO, **how: object) -> MaskCensus:
    return Dataset.open(write(root, masks, names=names), **how).check_masks("train", proof=True)  # type: ignore[arg-type]


class TestForegroundThatIsIgnored:
    def test_all_files(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": disc(at, 255) for at in range(4)}
        with pytest.raises(DataError) as caught:
            judge(tmp_path, masks, write_dataset)
        for part in (
            "None of the 4 masks of split 'train'",
            "'road' (1)",
            "4 of them hold 255",
            "first m0.png, m1",
        ):
            assert part in str(caught.value)
        assert "`mask_values='255=road'`" in str(caught.value)
        assert "`mask_values='255=ignore'`" in str(caught.value)
        assert judge(tmp_path, masks, write_dataset, mask_values="255=road").class_pixels.tolist()[1] > 0

    def test_some_files(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": disc(at, 1 if at < 2 else 255) for at in range(8)}
        with pytest.raises(
            DataError, match=r"6 of the 8 masks .* 2 others hold: first m2\.png, m3\.png, m4\.png and 3"
        ):
            judge(tmp_path, masks, write_dataset)
        mixed = judge(tmp_path, masks, write_dataset, mask_values="255=road")
        assert mixed.class_pixels[1] == sum(int((mask > 0).sum()) for mask in masks.values())

    def test_one_file_among_many_is_enough(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at:02}": disc(at, 255 if at == 7 else 1) for at in range(40)}
        with pytest.raises(DataError, match=r"1 of the 40 masks .* first m07\.png"):
            judge(tmp_path, masks, write_dataset)

    def test_among_files_with_honest_void(self, tmp_path: Path, write_dataset: Write) -> None:
        """What is drawn with the ignored value is a disc, and void in the other files is a seam or a rim."""
        for kind in (ring, view):
            masks = {f"m{at}": kind(disc(at)) for at in range(6)} | {"odd": disc(3, 255)}
            with pytest.raises(DataError, match=r"1 of the 7 masks .* first odd\.png"):
                judge(tmp_path / kind.__name__, masks, write_dataset)

    def test_background_that_is_ignored(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": np.where(disc(at) > 0, np.uint8(1), np.uint8(255)) for at in range(3)}
        with pytest.raises(DataError, match=r"pixel of 'background' \(0\)"):
            judge(tmp_path, masks, write_dataset)

    def test_every_pixel_is_ignored(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": np.full((8, 8), 255, np.uint8) for at in range(3)}
        with pytest.raises(DataError, match="nothing is left to judge by"):
            judge(tmp_path, masks, write_dataset)
        with pytest.raises(DataError, match="`mask_values` ignores every pixel of the 3 masks"):
            judge(tmp_path, masks, write_dataset, mask_values="255=ignore")

    def test_one_of_three_classes(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": np.maximum(disc(at, 255), np.eye(96, dtype=np.uint8)) for at in range(4)}
        with pytest.raises(DataError, match=r"pixel of 'road' \(2\), but 4 of them hold 255.*255=road"):
            judge(tmp_path, masks, write_dataset, THREE)
        assert judge(tmp_path, masks, write_dataset, THREE, mask_values="255=road").missing == ()
        assert judge(tmp_path, masks, write_dataset, THREE, mask_values="255=ignore").missing == (2,)
        assert judge(tmp_path, masks, write_dataset, THREE, ignore_index=255).missing == (2,), "it was said"

    def test_two_of_three_classes(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": disc(at, 255) for at in range(4)}
        with pytest.raises(DataError, match=r"pixel of 'sky' \(1\) or 'road' \(2\), but"):
            judge(tmp_path, masks, write_dataset, THREE)

    def test_some_files_of_three_classes(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {
            f"m{at:02}": np.maximum(disc(at, 2 if at < 8 else 255), np.eye(96, dtype=np.uint8)) for at in range(16)
        }
        with pytest.raises(DataError, match=r"8 of the 16 masks .* no pixel of 'road' \(2\), which 8 others"):
            judge(tmp_path, masks, write_dataset, THREE)


class TestHonestMasks:
    def test_a_seam_around_things(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": ring(disc(at)) for at in range(6)}
        masks |= {f"none{at}": np.where(ring(disc(at)) == 255, np.uint8(255), np.uint8(0)) for at in range(3)}
        assert judge(tmp_path, masks, write_dataset).missing == ()

    def test_outside_the_view(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": view(disc(at)) for at in range(6)} | {"none": view(np.zeros((96, 96), np.uint8))}
        assert judge(tmp_path, masks, write_dataset).missing == ()

    def test_pictures_without_foreground(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": disc(at) for at in range(3)} | {"none": np.zeros((96, 96), np.uint8)}
        assert judge(tmp_path, masks, write_dataset).missing == ()

    def test_void_that_was_said(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": disc(at) for at in range(3)} | {"odd": disc(5, 255)}
        assert judge(tmp_path, masks, write_dataset, mask_values="255=ignore").missing == ()

    def test_a_class_that_never_occurs_without_void(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": disc(at, 2) for at in range(3)}
        assert judge(tmp_path, masks, write_dataset, THREE).missing == (1,)

    def test_void_of_a_value_of_its_own(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {f"m{at}": ring(disc(at, 2), 11) for at in range(3)}
        assert judge(tmp_path, masks, write_dataset, THREE, ignore_index=11).missing == (1,)

    @pytest.mark.parametrize(
        ("name", "split", "void"),
        [("camvid", "val", 11), ("person_voc", "train", 255), ("chase_db1", "train", 255), ("isbi_em", "val", 255)],
    )
    def test_real_sets(self, data_dir: Path, name: str, split: str, void: int) -> None:
        assert Dataset.open(data_dir / name, None if void == 255 else void).check_masks(split, proof=True).missing == ()


class TestOneClass:
    def test_masks_of_one_class_prove_nothing(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {"a": np.zeros((8, 8), np.uint8), "b": np.zeros((8, 8), np.uint8)}
        with pytest.raises(DataError, match=r"in the 2 masks .* is 'background'.*show 'road' \(1\) as well"):
            judge(tmp_path, masks, write_dataset)

    def test_and_are_scored(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": np.zeros((8, 8), np.uint8)})
        assert Dataset.open(root).check_masks("train").missing == (1,)


class TestStrangeValues:
    @pytest.mark.parametrize(
        ("values", "names", "meant"),
        [
            ((0, 127, 254), THREE, "127=sky,254=road"),
            ((0, 127, 255), THREE, "127=sky,255=road"),
            ((0, 85, 170, 255), "a\nb\nc\nd\n", "85=b,170=c,255=d"),
            ((1, 2, 3), THREE, "1=other,2=sky,3=road"),
            ((1, 2, 3, 255), THREE, "1=other,2=sky,3=road"),
            ((1, 2), "background\nroad\n", "1=background,2=road"),
        ],
    )
    def test_what_they_look_like_is_offered(
        self, tmp_path: Path, write_dataset: Write, values: tuple[int, ...], names: str, meant: str
    ) -> None:
        stripes = np.repeat(np.array(values, np.uint8), 8)[None].repeat(8, 0)
        with pytest.raises(DataError) as caught:
            judge(tmp_path, {"a": stripes, "b": stripes}, write_dataset, names)
        assert f"`mask_values='{meant}'`" in str(caught.value)
        assert judge(tmp_path, {"a": stripes, "b": stripes}, write_dataset, names, mask_values=meant).missing == ()

    def test_what_is_unknown_is_asked(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {"a": disc(0), "b": disc(1, 9), "c": disc(2, 9)}
        with pytest.raises(DataError, match=r"2 of the 3 masks .* hold the value 9, .*first b\.png, c\.png.*'9=CLASS'"):
            judge(tmp_path, masks, write_dataset)

    def test_a_smoothed_mask(self, tmp_path: Path, write_dataset: Write) -> None:
        with pytest.raises(DataError, match="smoothed when it was resized"):
            judge(tmp_path, {"a": cv2.GaussianBlur(disc(0, 255), (9, 9), 0)}, write_dataset)  # type: ignore[dict-item]

    @pytest.mark.parametrize("value", [1, 255])
    def test_a_jpeg(self, tmp_path: Path, write_dataset: Write, value: int) -> None:
        root = write_dataset(tmp_path, {"a": disc(0, value)})
        (root / "masks/train/a.png").unlink()
        cv2.imwrite(str(root / "masks/train/a.jpg"), disc(0, value))
        with pytest.raises(DataError, match=r"a\.jpg.*A JPEG changes the values"):
            Dataset.open(root).check_masks("train")
