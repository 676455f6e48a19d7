"""Layouts of masks as people have them: each is read pixel by pixel as it was drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sets import CLASSES, COLORS, draw_image, draw_labels, paint, write_pairs, write_picture

from edgeseg.dataset import Dataset, is_dataset
from edgeseg.datasets.formats.labelled_set import LabelledSet, ReadOptions
from edgeseg.datasets.pixels.cityscapes import CLASSES as TRAIN_CLASSES
from edgeseg.datasets.pixels.cityscapes import LABELS
from edgeseg.datasets.pixels.color_tables import VOC_CLASSES, voc_color
from edgeseg.datasets.table import find_reader, read_set
from edgeseg.errors import DataError
from edgeseg.image import UInt8

BOM = "\ufeff"
LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nbox:200,30,30::\ndisc:20,160,220::\n"


def by_number(found: LabelledSet) -> dict[int, UInt8]:
    """The rendered mask of each picture by the number in its name."""
    rendered = {}
    for picture in found.pictures:
        assert picture.render is not None
        number = int("".join(sign for sign in picture.name.rpartition("/")[2] if sign.isdigit()))
        rendered[number] = picture.render()
    return rendered


def assert_as_drawn(found: LabelledSet, drawn: Callable[[int], UInt8] = draw_labels) -> None:
    masks = by_number(found)
    assert masks
    for number, mask in masks.items():
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, drawn(number)), number


def name_classes(root: Path, text: str = "\n".join(CLASSES)) -> Path:
    (root / "classes.txt").write_text(f"{BOM}{text}\n", encoding="utf-8")
    return root


SPLITS = {
    "one folder each": ("images/{}.jpg", "masks/{}.png", {None}),
    "other names of folders": ("imgs/{}.jpg", "annotations/{}.png", {None}),
    "capitals": ("JPEGs/Images/{}.JPG", "JPEGs/Labels/{}.PNG", {None}),
    "splits above": ("train/images/{}.png", "train/masks/{}.png", {"train"}),
    "splits below": ("images/valid/{}.png", "masks/valid/{}_mask.png", {"val"}),
    "folders of a split and kind": ("train/{}.png", "train_labels/{}_L.png", {"train"}),
    "SegNet": ("val/{}.png", "valannot/{}.png", {"val"}),
    "Carvana": ("train/{}.jpg", "train_masks/{}_mask.png", {"train"}),
    "side by side": ("{}.jpg", "{}_mask.png", {None}),
    "side by side, gt": ("all/{}.jpg", "all/{}_gt.png", {None}),
    "side by side, label": ("{}.jpg", "{}_label.png", {None}),
    "DeepGlobe": ("train/{}_sat.jpg", "train/{}_mask.png", {"train"}),
    "beginnings": ("images/img_{}.jpg", "masks/mask_{}.png", {None}),
    "both endings": ("images/{}.jpg", "masks/{}.jpg.png", {None}),
    "fast.ai": ("images/{}.png", "labels/{}_P.png", {None}),
    "in a folder more": ("set/images/{}.jpg", "set/masks/{}.png", {None}),
}


@pytest.mark.parametrize("layout", SPLITS)
def test_pictures_find_their_masks(tmp_path: Path, layout: str) -> None:
    images, masks, splits = SPLITS[layout]
    found = read_set(name_classes(write_pairs(tmp_path, images, masks)))
    assert_as_drawn(found)
    assert (found.classes, set(found.splits), len(found.pictures)) == (CLASSES, splits, 6)


def test_a_folder_of_photos_is_no_data(tmp_path: Path) -> None:
    for seed in range(4):
        write_picture(tmp_path / f"photo_{seed}.jpg", draw_image(seed))
    assert find_reader(tmp_path) is None
    assert not is_dataset(tmp_path)


def test_splits_in_text_files(tmp_path: Path) -> None:
    root = name_classes(write_pairs(tmp_path, "images/{}.png", "masks/{}.png"))
    (root / "train.txt").write_text(f"{BOM}images/0.png masks/0.png\nimages/1.png masks/1.png\n", encoding="utf-8")
    (root / "valid.txt").write_text("2\r\n3.png\r\n", encoding="utf-8")
    found = read_set(root)
    assert {picture.image.stem: picture.split for picture in found.pictures if isinstance(picture.image, Path)} == {
        "0": "train", "1": "train", "2": "val", "3": "val"
    }  # fmt: skip


VALUES: dict[str, Callable[[UInt8], UInt8]] = {
    "indices": lambda labels: labels,
    "sixteen bits": lambda labels: labels.astype(np.uint16),  # type: ignore[dict-item, return-value]
    "grey in colour": lambda labels: np.repeat(labels[..., None], 3, -1),
    "with alpha": lambda labels: np.dstack([labels, labels, labels, np.full_like(labels, 255)]),
}


@pytest.mark.parametrize("form", VALUES)
def test_one_index_a_pixel_in_every_form(tmp_path: Path, form: str) -> None:
    assert_as_drawn(read_set(name_classes(write_pairs(tmp_path, "images/{}.png", "masks/{}.png", encode=VALUES[form]))))


def test_black_and_white_is_read_and_said(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, "{}.jpg", "{}_mask.png", encode=lambda labels: (labels > 0).astype(np.uint8) * 255)
    found = read_set(root)
    assert_as_drawn(found, lambda seed: (draw_labels(seed) > 0).astype(np.uint8))
    assert found.classes == ("background", "foreground")
    assert "255 is 'foreground'" in " ".join(found.notes)


def test_grey_steps_are_guessed_shown_and_confirmed(tmp_path: Path) -> None:
    root = name_classes(write_pairs(tmp_path, "images/{}.png", "masks/{}.png", encode=lambda labels: labels * 127))
    with pytest.raises(DataError, match=r"127 is 'box', 254 is 'disc'.*`accept_colors=True`.*`mask_values='127=box"):
        read_set(root)
    assert_as_drawn(read_set(root, ReadOptions(accept_colors=True)))


class TestColors:
    def write(self, root: Path) -> Path:
        return write_pairs(root, "images/{}.png", "masks/{}.png", encode=paint)

    def test_without_a_word_they_are_shown_with_their_shares(self, tmp_path: Path) -> None:
        root = name_classes(self.write(tmp_path))
        with pytest.raises(DataError, match=r"(?s)#000000 +\d+\.\d %.*#c81e1e +\d+.*`colors`, such as") as caught:
            read_set(root)
        with pytest.raises(DataError, match="Nothing of them could be guessed"):
            read_set(root, ReadOptions(accept_colors=True))
        assert str(root) in str(caught.value)

    def test_named_by_a_person(self, tmp_path: Path) -> None:
        values = {f"#{r:02x}{g:02x}{b:02x}": name for name, (r, g, b) in zip(CLASSES, COLORS, strict=True)}
        found = read_set(self.write(tmp_path), ReadOptions(mask_values=values))
        assert found.classes == CLASSES
        assert_as_drawn(found)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("class_dict.csv", "name,r,g,b\nbackground,0,0,0\nbox,200,30,30\ndisc,20,160,220\n"),
            ("class_dict.csv", "name; R; G; B\r\nbackground;0;0;0\r\nbox;200;30;30\r\ndisc;20;160;220\r\n"),
            (
                "labelmap.txt",
                LABELMAP,
            ),
            ("label_colors.txt", "0 0 0\tbackground\n200 30 30\tbox\n20 160 220\tdisc\n"),
        ],
    )
    def test_named_by_a_file_with_a_byte_order_mark(self, tmp_path: Path, name: str, text: str) -> None:
        (self.write(tmp_path) / name).write_text(BOM + text, encoding="utf-8")
        found = read_set(tmp_path)
        assert found.classes == CLASSES
        assert_as_drawn(found)

    def test_void_of_a_file_is_not_scored(self, tmp_path: Path) -> None:
        text = "name,r,g,b\nbox,200,30,30\ndisc,20,160,220\nVoid,0,0,0\n"
        (self.write(tmp_path) / "class_dict.csv").write_text(text, encoding="utf-8")
        found = read_set(tmp_path)
        assert (found.classes, found.void_said) == (("box", "disc"), True)
        assert_as_drawn(found, lambda seed: np.array([255, 0, 1], np.uint8)[draw_labels(seed)])

    def test_a_colour_that_no_file_names_is_told_by_file(self, tmp_path: Path) -> None:
        text = "name,r,g,b\nbackground,0,0,0\nbox,200,30,30\n"
        (self.write(tmp_path) / "class_dict.csv").write_text(text, encoding="utf-8")
        render = read_set(tmp_path).pictures[0].render
        assert render is not None
        with pytest.raises(DataError, match=r"0\.png holds colours that .*#14a0dc"):
            render()

    def test_those_of_a_known_set_are_guessed_and_accepted(self, tmp_path: Path) -> None:
        known = ((128, 64, 128), (70, 130, 180), (220, 20, 60))
        write_pairs(tmp_path, "images/{}.png", "masks/{}.png", encode=lambda labels: paint(labels, known))
        with pytest.raises(DataError, match=r"(?s)#804080.*road.*Guessed from the colours of Cityscapes"):
            read_set(tmp_path)
        found = read_set(tmp_path, ReadOptions(accept_colors=True))
        order = [found.classes.index(name) for name in ("road", "sky", "person")]
        assert_as_drawn(found, lambda seed: np.array(order, np.uint8)[draw_labels(seed)])

    def test_a_smoothed_mask_is_refused_by_file(self, tmp_path: Path) -> None:
        def smooth(labels: UInt8) -> UInt8:
            return np.asarray(cv2.GaussianBlur(paint(labels), (9, 9), 3), np.uint8)

        write_pairs(tmp_path, "images/{}.png", "masks/{}.png", encode=smooth)
        with pytest.raises(DataError, match=r"colours, \d+ in \d\.png: masks that were smoothed"):
            read_set(tmp_path, ReadOptions(accept_colors=True))

    def test_palettes_that_differ_are_colours(self, tmp_path: Path) -> None:
        """Pillow's quantize numbers the colours of each file anew."""
        from PIL import Image

        write_pairs(tmp_path, "images/{}.png", "masks/{}.png", count=2)
        for seed, order in ((0, (0, 1, 2)), (1, (2, 0, 1))):
            numbers = np.array(order, np.uint8)[draw_labels(seed)]
            picture = Image.fromarray(numbers, "L")
            picture.putpalette([value for label in np.argsort(order) for value in COLORS[label]])
            picture.save(tmp_path / f"masks/{seed}.png")
        values = {f"#{r:02x}{g:02x}{b:02x}": name for name, (r, g, b) in zip(CLASSES, COLORS, strict=True)}
        with pytest.raises(DataError, match="are colour pictures"):
            read_set(tmp_path)
        assert_as_drawn(read_set(tmp_path, ReadOptions(mask_values=values)))


def test_values_of_roboflow(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, "train/{}.jpg", "train/{}_mask.png")
    (root / "train/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, box\n2, disc\n", encoding="utf-8")
    found = read_set(root)
    assert found.classes == CLASSES
    assert_as_drawn(found)


class TestVoc:
    def write(self, root: Path, encode: Callable[[UInt8], UInt8] = lambda labels: labels) -> Path:
        return write_pairs(root, "JPEGImages/{}.jpg", "SegmentationClass/{}.png", encode=encode)

    def test_lists_give_the_splits_and_255_is_the_border(self, tmp_path: Path) -> None:
        def with_border(labels: UInt8) -> UInt8:
            return np.where(cv2.dilate(labels, np.ones((3, 3))) != labels, 255, labels).astype(np.uint8)

        root = self.write(tmp_path / "VOCdevkit/VOC2012", with_border)
        write_picture(root / "JPEGImages/99.jpg", draw_image(99))
        lists = root / "ImageSets/Segmentation"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text(f"{BOM}0\n1\n2\n", encoding="utf-8")
        (lists / "val.txt").write_text("3\n4\n", encoding="utf-8")
        (lists / "trainval.txt").write_text("0\n1\n2\n3\n4\n", encoding="utf-8")
        found = read_set(tmp_path)
        assert (found.format, found.classes, found.void_said) == ("Pascal VOC", VOC_CLASSES, True)
        assert [picture.split for picture in found.pictures] == ["train"] * 3 + ["val"] * 2
        assert_as_drawn(found, lambda seed: with_border(draw_labels(seed)))
        assert "2 pictures are in no list" in " ".join(found.notes)

    def test_what_cvat_exports(self, tmp_path: Path) -> None:
        root = write_pairs(tmp_path, "JPEGImages/{}.jpg", "SegmentationClass/{}.png", encode=paint)
        (root / "labelmap.txt").write_text(
            LABELMAP,
            encoding="utf-8",
        )
        (root / "ImageSets/Segmentation").mkdir(parents=True)
        (root / "ImageSets/Segmentation/default.txt").write_text("0\n1\n", encoding="utf-8")
        found = read_set(root)
        assert (found.classes, found.splits, len(found.pictures)) == (CLASSES, (None,), 2)
        assert_as_drawn(found)

    def test_an_export_without_pictures_says_so(self, tmp_path: Path) -> None:
        root = self.write(tmp_path)
        for path in (root / "JPEGImages").iterdir():
            path.unlink()
        with pytest.raises(DataError, match=r"without pictures.*CVAT: Save images"):
            read_set(root)

    def test_a_list_that_names_what_is_not_there(self, tmp_path: Path) -> None:
        root = self.write(tmp_path)
        (root / "ImageSets").mkdir()
        (root / "ImageSets/train.txt").write_text("0\n77\n", encoding="utf-8")
        with pytest.raises(DataError, match="1 pictures that are not there, first 77"):
            read_set(root)

    def test_its_palette(self) -> None:
        assert [voc_color(label) for label in (0, 1, 2, 15, 20)] == [0, 0x800000, 0x008000, 0xC08080, 0x004080]


class TestCityscapes:
    IDS = np.array([LABELS.index("ego vehicle"), LABELS.index("road"), LABELS.index("car")], np.uint8)

    def write(self, root: Path, kind: str, table: UInt8) -> Path:
        for split, first in (("train", 0), ("val", 3)):
            write_pairs(
                root,
                f"leftImg8bit/{split}/ulm/ulm_{{:06d}}_000019_leftImg8bit.png",
                f"gtFine/{split}/ulm/ulm_{{:06d}}_000019_gtFine_{kind}.png",
                count=3,
                encode=lambda labels: table[labels],
                first=first,
            )
        return root

    def rendered(self, root: Path, options: ReadOptions | None = None) -> tuple[LabelledSet, UInt8]:
        """The set, and what 0, 1 and 2 of the drawing became."""
        found = read_set(root, options)
        render = found.pictures[0].render
        assert render is not None
        mask, drawn = render(), draw_labels(0)
        return found, np.array([mask[drawn == label][0] for label in range(3)], np.uint8)

    def test_label_ids_become_the_nineteen(self, tmp_path: Path) -> None:
        found, values = self.rendered(self.write(tmp_path, "labelIds", self.IDS))
        assert (found.format, found.classes, found.splits) == ("Cityscapes", TRAIN_CLASSES, ("train", "val"))
        assert values.tolist() == [255, TRAIN_CLASSES.index("road"), TRAIN_CLASSES.index("car")]
        assert {picture.group for picture in found.pictures} == {"ulm"}

    def test_train_ids_come_first(self, tmp_path: Path) -> None:
        self.write(tmp_path, "labelIds", self.IDS)
        found, values = self.rendered(self.write(tmp_path, "labelTrainIds", np.array([255, 0, 13], np.uint8)))
        assert (found.classes, values.tolist()) == (TRAIN_CLASSES, [255, 0, 13])

    def test_classes_are_chosen_by_their_names(self, tmp_path: Path) -> None:
        root = self.write(tmp_path, "labelIds", self.IDS)
        found, values = self.rendered(root, ReadOptions(classes=("other", "car")))
        assert (found.classes, values.tolist()) == (("other", "car"), [0, 0, 1])
        assert self.rendered(root, ReadOptions(classes=("road", "car")))[1].tolist() == [255, 0, 1]

    def test_colour_pictures_alone_are_declined(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no .*labelIds.*gtFine_trainvaltest"):
            read_set(self.write(tmp_path, "color", self.IDS))


def test_opened_by_whatever_reads_data(tmp_path: Path) -> None:
    """Training, evaluation, calibration and proof open data here."""
    root = name_classes(write_pairs(tmp_path / "set", "train/{}.jpg", "train_masks/{}_mask.png"))
    write_pairs(root, "val/{}.jpg", "val_masks/{}_mask.png", count=2, first=6)
    assert is_dataset(root)
    data = Dataset.open(root)
    assert (data.root, data.classes, sorted(data.folders)) == (root, CLASSES, ["train", "val"])
    for split, count in (("train", 6), ("val", 2)):
        pairs = data.pairs(split)
        assert len(pairs) == count
        for pair in pairs:
            image, mask = data.read(pair)
            assert np.array_equal(mask, draw_labels(int(pair.image.stem)))
            assert image.shape == (*mask.shape, 3)
    assert data.pairs("val")[0].image.resolve() == (root / "val/6.jpg").resolve()


def test_opened_again_it_is_not_converted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = name_classes(write_pairs(tmp_path / "set", "imgs/{}.png", "masks/{}.png"))
    first = Dataset.open(root)
    stamp = first.pairs("train")[0].mask.stat().st_mtime_ns
    assert Dataset.open(root).pairs("train")[0].mask.stat().st_mtime_ns == stamp
    write_picture(root / "masks/0.png", draw_labels(5))
    again = Dataset.open(root)
    assert np.array_equal(again.read(again.pairs("train")[0])[1], draw_labels(5))


def test_what_was_said_is_recorded_so_that_it_is_opened_again(tmp_path: Path) -> None:
    root = name_classes(write_pairs(tmp_path / "set", "imgs/{}.png", "masks/{}.png", encode=lambda labels: labels * 7))
    data = Dataset.open(root, mask_values="7=box,14=disc")
    assert data.recorded_values == {"7": "box", "14": "disc"}
    again = Dataset.open(root, data.ignore_index, data.recorded_values)
    assert np.array_equal(again.read(again.pairs("train")[0])[1], draw_labels(0))


class TestTables:
    def write(self, root: Path, name: str, text: str) -> Path:
        for seed in range(3):
            write_picture(root / f"train/photo{seed}.png", draw_image(seed))
            write_picture(root / f"train/x{seed}y.png", draw_labels(seed))
        (root / "train" / name).write_text(BOM + text, encoding="utf-8")
        return name_classes(root)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("metadata.csv", "file_name,mask_file_name\r\nphoto0.png,x0y.png\r\nphoto2.png,x2y.png\r\n"),
            ("metadata.csv", "split,label,image\ntrain,x0y.png,photo0.png\ntrain,x2y.png,photo2.png\n"),
            (
                "metadata.jsonl",
                '{"file_name": "photo0.png", "mask": "x0y.png"}\n\n{"file_name": "photo2.png", "mask": "x2y.png"}\n',
            ),
        ],
    )
    def test_a_table_names_pictures_and_masks(self, tmp_path: Path, name: str, text: str) -> None:
        root = self.write(tmp_path, name, text)
        for place in (root, root / "train" / name):
            if place.is_file():
                (root / "train/classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
            found = read_set(place)
            assert found.format == "pictures and masks of a metadata table"
            assert (found.classes, len(found.pictures)) == (CLASSES, 2)
            assert_as_drawn(found)

    def test_a_file_that_is_not_there_is_named_with_its_row(self, tmp_path: Path) -> None:
        root = self.write(
            tmp_path, "metadata.csv", "file_name,mask_file_name\nphoto0.png,x0y.png\nphoto1.png,../q.png\n"
        )
        with pytest.raises(
            DataError, match=r"metadata\.csv, row 2: mask_file_name names '\.\./q\.png', which is no file"
        ):
            read_set(root)

    def test_a_table_of_captions_is_none(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "0.png", draw_image(0))
        (tmp_path / "metadata.csv").write_text("file_name,text\n0.png,a road\n", encoding="utf-8")
        assert find_reader(tmp_path) is None
