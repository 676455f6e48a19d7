"""What mask values mean: by flag, in a data.yaml, from Python."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.masks.mask_values import MaskValues
from edgeseg.training.data.hold_out import link_splits

CLASSES = ("other", "sky", "road")
Write = Callable[..., Path]
NAMES = "other\nsky\nroad\n"
TRUE = np.array([[0, 1, 2, 2], [0, 1, 1, 2]], np.uint8)
COLORS = np.array([(0, 0, 0), (70, 130, 180), (128, 64, 128)], np.uint8)
"""RGB of each class."""


def read(root: Path, values: object = None, ignore_index: int | None = None) -> list[list[int]]:
    data = Dataset.open(root, ignore_index, values)  # type: ignore[arg-type]
    return data.read(data.pairs("train")[0])[1].tolist()  # type: ignore[no-any-return]


class TestMeanings:
    @pytest.mark.parametrize(
        ("given", "numbers", "colors"),
        [
            ("255=road", {255: 2}, {}),
            (" 128 = sky , 255=2 ", {128: 1, 255: 2}, {}),
            ({255: "road", "7": "ignore", 9: 0}, {255: 2, 7: -1, 9: 0}, {}),
            ("65535=road", {65535: 2}, {}),
            ("#804080=road,0=other", {0: 0}, {0x804080: 2}),
            ({(128, 64, 128): "road", "#4682B4": "sky"}, {}, {0x804080: 2, 0x4682B4: 1}),
        ],
    )
    def test_by_name_and_by_index(self, given: object, numbers: dict[int, int], colors: dict[int, int]) -> None:
        values = MaskValues.read(given, CLASSES)  # type: ignore[arg-type]
        assert (values.numbers, values.colors) == (numbers, colors)

    def test_a_class_of_that_name_comes_before_an_index(self) -> None:
        assert MaskValues.read("255=0", ("1", "0")).numbers == {255: 1}

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ("255=rod", "'rod', which is none of other, sky, road"),
            ("255=3", r"index of 0\.\.2"),
            ("255", "VALUE=CLASS.*found '255'"),
            ("", "VALUE=CLASS"),
            ("70000=road", r"0\.\.65535"),
            ("#80408=road", "#rrggbb"),
            ("#gg4080=road", "#rrggbb"),
            ("255=road,255=sky", "255 two meanings"),
            ("#804080=road,300=sky", "a grey of 0..255; found 300"),
            (7, "mapping or its text"),
            ({True: "road"}, "found True"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, given: object, found: str) -> None:
        with pytest.raises(DataError, match=found):
            MaskValues.read(given, CLASSES)  # type: ignore[arg-type]

    def test_they_are_written_as_they_are_read(self) -> None:
        values = MaskValues.read("#804080=road,7=ignore", CLASSES)
        assert values.to_dict(CLASSES) == {"7": "ignore", "#804080": "road"}
        assert MaskValues.read(values.to_dict(CLASSES), CLASSES) == values
        assert pickle.loads(pickle.dumps(values)) == values


class TestReading:
    def test_values_are_swapped_at_once(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": np.array([[1, 2, 0]], np.uint8)}, names=NAMES)
        assert read(root, "1=road,2=sky") == [[2, 1, 0]]

    def test_void_is_the_ignored_value(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": np.array([[1, 7, 255]], np.uint8)}, names=NAMES)
        assert read(root, "7=ignore,255=road") == [[1, 255, 2]]
        assert read(root, "7=ignore,255=road", ignore_index=11) == [[1, 11, 2]]

    def test_a_yaml_says_it_and_what_is_given_wins(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": np.array([[0, 128, 255]], np.uint8)}, names=NAMES)
        text = "train: images/train\nnames: [other, sky, road]\nmask_values: {128: sky, 255: road}\n"
        (root / "data.yaml").write_text(text, encoding="utf-8")
        assert read(root) == [[0, 1, 2]]
        assert read(root, {128: "road", 255: "sky"}) == [[0, 2, 1]]

    @pytest.mark.parametrize("key", ['"#804080"', "[128, 64, 128]", "? [128, 64, 128]\n "])
    def test_colours_in_a_yaml(self, tmp_path: Path, write_dataset: Write, key: str) -> None:
        root = write_dataset(tmp_path, {"a": TRUE}, names=NAMES)
        cv2.imwrite(str(root / "masks/train/a.png"), COLORS[TRUE][..., ::-1])
        meanings = f'{{"#000000": other, "#4682b4": sky, {key}: road}}'
        (root / "data.yaml").write_text(f"train: images/train\nnames: [other, sky, road]\nmask_values: {meanings}\n")
        assert read(root) == TRUE.tolist()

    def test_colours_of_a_palette_are_colours_too(self, tmp_path: Path, write_dataset: Write) -> None:
        """An editor's palette counts its colours in any order."""
        from PIL import Image

        root = write_dataset(tmp_path, {"a": TRUE}, names=NAMES)
        picture = Image.fromarray(2 - TRUE, "P")
        picture.putpalette(COLORS[::-1].tobytes())
        picture.save(root / "masks/train/a.png")
        assert read(root, "0=other,#4682b4=sky,#804080=road") == TRUE.tolist()

    def test_sixteen_bits(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": TRUE}, names=NAMES)
        cv2.imwrite(str(root / "masks/train/a.png"), np.array([0, 300, 65535], np.uint16)[TRUE])
        with pytest.raises(DataError, match=r"a\.png holds uint16 values up to 65535.*`mask_values='65535=CLASS'`"):
            read(root)
        assert read(root, "300=sky,65535=road") == TRUE.tolist()

    def test_a_colour_without_a_meaning_is_named(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": TRUE}, names=NAMES)
        cv2.imwrite(str(root / "masks/train/a.png"), COLORS[TRUE][..., ::-1])
        with pytest.raises(
            DataError, match=r"a\.png is a colour picture: #4682b4 \(3 pixels\), #804080 \(3 pixels\), #0"
        ):
            read(root)
        with pytest.raises(DataError, match=r"a\.png holds colours that `mask_values` does not name: #000000 \(2 pix"):
            read(root, "#4682b4=sky,#804080=road")

    def test_ignoring_where_nothing_is_ignored_is_refused(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": TRUE}, names=NAMES)
        text = "train: images/train\nnames: [other, sky, road]\nignore_index: null\nmask_values: {7: ignore}\n"
        (root / "data.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=r"`mask_values` ignores a value in .*`ignore_index`"):
            Dataset.open(root)

    def test_a_held_out_split_keeps_them(self, tmp_path: Path, write_dataset: Write) -> None:
        masks = {name: np.array([[0, 255]], np.uint8) for name in "abcdef"}
        data = Dataset.open(write_dataset(tmp_path / "set", masks), mask_values="255=cell")
        made = link_splits(data, tmp_path / "out", {data.pairs("train")[0]})
        again = Dataset.open(tmp_path / "out")
        for one in (made, again):
            assert one.read(one.pairs("val")[0])[1].tolist() == [[0, 1]]
