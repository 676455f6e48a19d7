"""Data folders: both layouts, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.files.image_files import list_images

MASK = np.array([[0, 1, 1, 255], [0, 0, 1, 1]], np.uint8)
Write = Callable[..., Path]

YAML = """\
train: images/train
names: {0: background, 1: cell}
ignore_index: 9
"""


def opened_yaml(root: Path, text: str) -> Dataset:
    (root / "data.yaml").write_text(text, encoding="utf-8")
    return Dataset.open(root)


class TestLayouts:
    def test_folders_with_classes_txt(self, tmp_path: Path, write_dataset: Write) -> None:
        data = Dataset.open(write_dataset(tmp_path, {"b": MASK, "a": MASK}))
        assert data.classes == ("background", "cell")
        assert data.ignore_index == 255
        assert [pair.image.name for pair in data.pairs("train")] == ["a.png", "b.png"]
        image, mask = data.read(data.pairs("train")[0])
        assert image.shape == (2, 4, 3)
        assert np.array_equal(mask, MASK)

    def test_data_yaml(self, tmp_path: Path, write_dataset: Write) -> None:
        data = opened_yaml(write_dataset(tmp_path, {"a": MASK}), YAML)
        assert (data.classes, data.ignore_index) == (("background", "cell"), 9)
        assert data.pairs("train")[0].mask == tmp_path / "masks/train/a.png"

    def test_data_yaml_elsewhere_with_a_path_and_a_mask_folder(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path / "set", {"a": MASK})
        (root / "masks").rename(root / "labels")
        config = tmp_path / "other.yaml"
        config.write_text("path: set\nmasks: labels\nval: images/train\nnames: [background, cell]\n", encoding="utf-8")
        data = Dataset.open(config)
        assert data.pairs("val")[0].mask == root / "labels/train/a.png"

    def test_the_ignore_index_that_is_given_wins(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": MASK})
        assert Dataset.open(root, ignore_index=11).ignore_index == 11
        opened_yaml(root, YAML)
        assert Dataset.open(root, ignore_index=11).ignore_index == 11

    def test_a_yaml_null_ignores_nothing(self, tmp_path: Path, write_dataset: Write) -> None:
        data = opened_yaml(write_dataset(tmp_path, {"a": MASK}), YAML.replace("9", "null"))
        with pytest.raises(DataError, match=r"255.*no value is ignored"):
            data.read(data.pairs("train")[0])

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("- a\n- b\n", "must be a mapping"),
            ("train: [unclosed\n", "Cannot read"),
            ("names: [a, b]\n", "neither train nor val"),
            ("train: images/train\n", "no list of class names"),
            ("train: images/train\nnames: {0: a, 2: b}\n", "without a gap"),
            ("train: images/train\nnames: [a, a]\n", "twice"),
            ("train: [images/train]\nnames: [a, b]\n", "one folder"),
            ("train: images/train\nnames: [a, b]\nignore_index: void\n", "'void'"),
            ("train: images/train\nnames: [a, b]\nignore_index: 256\n", "256"),
        ],
    )
    def test_a_yaml_that_makes_no_sense_is_refused(
        self, tmp_path: Path, write_dataset: Write, text: str, found: str
    ) -> None:
        with pytest.raises(DataError, match=found) as caught:
            opened_yaml(write_dataset(tmp_path, {"a": MASK}), text)
        assert "data.yaml" in str(caught.value)


class TestWhatIsMissing:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no data folder .*gone"):
            Dataset.open(tmp_path / "gone")

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no images/ folder"):
            Dataset.open(tmp_path)

    def test_no_split(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        with pytest.raises(DataError, match="neither train/ nor val/"):
            Dataset.open(tmp_path)

    def test_no_class_names(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": MASK})
        (root / "classes.txt").unlink()
        with pytest.raises(DataError, match=r"classes\.txt"):
            Dataset.open(root)

    @pytest.mark.parametrize(("names", "found"), [("cell\n", "1 classes"), ("a\nb\na\n", "twice"), ("", "0 classes")])
    def test_class_names_that_make_no_sense(self, tmp_path: Path, write_dataset: Write, names: str, found: str) -> None:
        with pytest.raises(DataError, match=found):
            Dataset.open(write_dataset(tmp_path, {"a": MASK}, names=names))

    def test_a_split_that_is_not_there(self, tmp_path: Path, write_dataset: Write) -> None:
        with pytest.raises(DataError, match=r"no split 'val'; found \['train'\]"):
            Dataset.open(write_dataset(tmp_path, {"a": MASK})).pairs("val")

    def test_an_empty_split(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {})
        (root / "images/train/notes.txt").write_text("none yet", encoding="utf-8")
        with pytest.raises(DataError, match="No images in"):
            Dataset.open(root).pairs("train")

    def test_an_image_without_a_mask_is_named(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": MASK, "b": MASK})
        (root / "masks/train/b.png").unlink()
        with pytest.raises(DataError, match=r"1 of 2 images .* first b\.png"):
            Dataset.open(root).pairs("train")

    def test_hidden_files_are_no_images(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": MASK, "._a": MASK})
        assert [path.name for path in list_images(root / "images/train")] == ["a.png"]


class TestMasks:
    def test_a_mask_of_another_size_is_named_with_both_sizes(self, tmp_path: Path, write_dataset: Write) -> None:
        root = write_dataset(tmp_path, {"a": MASK})
        cv2.imwrite(str(root / "masks/train/a.png"), np.zeros((3, 4), np.uint8))
        data = Dataset.open(root)
        with pytest.raises(DataError, match=r"a\.png is 4x3 but its image a\.png is 4x2"):
            data.read(data.pairs("train")[0])

    def test_a_value_outside_the_classes_names_file_and_value(self, tmp_path: Path, write_dataset: Write) -> None:
        data = Dataset.open(write_dataset(tmp_path, {"a": np.full_like(MASK, 11)}))
        with pytest.raises(DataError, match=r"a\.png holds the value 11.*0\.\.1.*`mask_values='11=CLASS'`"):
            data.read(data.pairs("train")[0])

    def test_a_one_bit_mask_has_class_one(self, tmp_path: Path, write_dataset: Write) -> None:
        data = Dataset.open(write_dataset(tmp_path, {"a": MASK}))
        bits = cv2.imencode(".png", (MASK == 1).astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1])[1]
        data.pairs("train")[0].mask.write_bytes(bits.tobytes())
        _, mask = data.read(data.pairs("train")[0])
        assert set(np.unique(mask)) == {0, 1}

    def test_the_real_sets_read(self, data_dir: Path) -> None:
        for name, split, void in (("camvid", "val", 11), ("chase_db1", "train", 255), ("isbi_em", "val", 255)):
            data = Dataset.open(data_dir / name, ignore_index=void)
            pair = data.pairs(split)[0]
            image, mask = data.read(pair)
            assert image.shape[:2] == mask.shape
            assert not data.check_masks(split, proof=True).missing


class TestOtherKinds:
    def test_pictures_that_are_not_read_are_named(self, tmp_path: Path, write_dataset: Write) -> None:
        data = Dataset.open(write_dataset(tmp_path, {"a": MASK}))
        assert data.left_out("train") == ""
        for number in range(7):
            (tmp_path / "images" / "train" / f"{number}.heic").write_bytes(b"x")
        assert "7 pictures of a kind that is not read: 0.heic, 1.heic" in data.left_out("train")
        assert "and 2 more" in data.left_out("train")

    def test_a_mask_of_another_kind_is_named_where_one_is_missing(self, tmp_path: Path, write_dataset: Write) -> None:
        data = Dataset.open(write_dataset(tmp_path, {"a": MASK}))
        (tmp_path / "masks/train/a.png").rename(tmp_path / "masks/train/a.gif")
        with pytest.raises(DataError, match=r"have no mask .* not read: a\.gif"):
            data.pairs("train")
