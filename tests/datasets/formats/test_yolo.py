"""YOLO for segmentation: the ways in which its files name splits and pictures, and lines that cannot be drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_labels import CAR, CLASSES, HEIGHT, ROAD, STRAY, WIDTH, inside, mask_of, read, street, write_picture

from edgeseg.dataset import Dataset
from edgeseg.datasets.formats.yolo import READER
from edgeseg.errors import DataError

pytest.importorskip("yaml")
YAML = "path: .\ntrain: images/train\nval: images/val\ntask: segment\nnc: 2\nnames:\n  0: car\n  1: road\n"


def line(number: int, points: Any) -> str:
    return " ".join([str(number), *(f"{x / WIDTH:.9f} {y / HEIGHT:.9f}" for x, y in points)])


LINES = "\n".join([line(0, CAR), line(1, ROAD), line(0, STRAY)])


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path


def folder(tmp_path: Path, text: str = LINES, yaml: str = YAML) -> Path:
    """A data set with one picture to train on and one to validate on, the second without objects."""
    for split in ("train", "val"):
        write_picture(tmp_path / "images" / split / "a b é.png")
    write(tmp_path / "labels" / "train" / "a b é.txt", text)
    write(tmp_path / "labels" / "val" / "a b é.txt", "")
    write(tmp_path / "data.yaml", yaml)
    return tmp_path


def test_polygons_are_drawn_where_pixels_have_their_centres_inside(tmp_path: Path) -> None:
    """The car is listed first and lies above: it is the smaller."""
    found = read(READER, folder(tmp_path))
    train, val = found.pictures
    assert (found.classes, train.split, val.split, train.name) == (CLASSES, "train", "val", "a b é")
    assert np.array_equal(mask_of(train), street())
    assert not mask_of(val).any()


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_windows_editors_are_read(tmp_path: Path, mark: str, end: str) -> None:
    root = folder(tmp_path, mark + LINES.replace("\n", end), mark + YAML.replace("\n", end))
    assert np.array_equal(mask_of(read(READER, root).pictures[0]), street())


@pytest.mark.parametrize(
    "yaml",
    [
        "train: images/train\nval: images/val\nnames: [car, road]",
        "train: [images/train]\nval: [images/val]\nnames: [car, road]",
        "train: images/train.txt\nval: images/val\nnames: [car, road]",
        "train: ../images/train\nval: ../images/val\nnames: [car, road]",
        "path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames: [car, road]",
        "path: {root}\ntrain: images/train\nval: images/val\nnames: [car, road]",
        "path: .\ntrain: images/train/\nval: images/val/\ntest:\nnames: {0: car, 1: road}",
        "names: [car, road]",
    ],
)
def test_splits_are_folders_lists_or_text_files(tmp_path: Path, yaml: str) -> None:
    root = folder(tmp_path, yaml=yaml.replace("{root}", str(tmp_path)))
    write(root / "images" / "train.txt", "./train/a b é.png\n\n")
    found = read(READER, root)
    assert [(picture.image, picture.split) for picture in found.pictures] == [
        (root / "images" / split / "a b é.png", split) for split in ("train", "val")
    ]
    assert np.array_equal(mask_of(found.pictures[0]), street())


def test_a_text_file_may_name_pictures_from_the_root(tmp_path: Path) -> None:
    yaml = "train: lists/train.txt\nval: images/val\nnames: [car, road]"
    for name in ("images/train/a b é.png", f"{tmp_path}/images/train/a b é.png"):
        write(folder(tmp_path, yaml=yaml) / "lists" / "train.txt", name)
        assert read(READER, tmp_path).pictures[0].image == tmp_path / "images" / "train" / "a b é.png"


def test_the_layout_of_roboflow_is_read(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_picture(tmp_path / split / "images" / "a.jpg")
        write(tmp_path / split / "labels" / "a.txt", LINES)
    write(
        tmp_path / "data.yaml",
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['car', 'road']",
    )
    found = read(READER, tmp_path)
    assert [picture.split for picture in found.pictures] == ["train", "val", "test"]
    assert all(np.array_equal(mask_of(picture), street()) for picture in found.pictures)


def test_the_yaml_file_may_lie_elsewhere_and_be_named(tmp_path: Path) -> None:
    root = folder(tmp_path / "set")
    path = write(tmp_path / "my.yaml", YAML.replace("path: .", f"path: {root}"))
    assert np.array_equal(mask_of(read(READER, path).pictures[0]), street())


def test_labels_that_change_elsewhere_are_converted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversion is found again in the cache as long as no file of the set has changed, wherever the set lies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = folder(tmp_path / "sets" / "mine")
    path = write(tmp_path / "yamls" / "my.yaml", YAML.replace("path: .", f"path: {root}"))
    data = Dataset.open(path)
    assert np.array_equal(data.read(data.pairs("train")[0])[1], street())
    write(root / "labels" / "train" / "a b é.txt", line(1, ROAD))
    data = Dataset.open(path)
    assert np.array_equal(data.read(data.pairs("train")[0])[1], np.where(inside(ROAD), 2, 0))


def test_class_names_without_a_yaml_file(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "data.yaml").unlink()
    write(root / "classes.txt", "car\nroad\n")
    found = read(READER, root)
    assert found.classes == CLASSES
    assert {picture.split for picture in found.pictures} == {"train", "val"}


def test_a_picture_without_a_text_file_is_background_and_told(tmp_path: Path) -> None:
    root = folder(tmp_path)
    write_picture(root / "images" / "train" / "b.png")
    found = read(READER, root)
    assert not mask_of(found.pictures[1]).any()
    assert found.notes == ("1 of 3 pictures have no text file and show background alone, first b.png.",)


def test_what_opencv_traced_comes_back_as_it_was(tmp_path: Path) -> None:
    """Written with the six digits that converters write."""
    mask = inside(ROAD) | inside(STRAY)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rows = [" ".join(["1", *(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in contour[:, 0])]) for contour in contours]
    found = read(READER, folder(tmp_path, "\n".join(rows)))
    assert np.array_equal(mask_of(found.pictures[0]), np.where(mask, 2, 0))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("2 0.1 0.1 0.5 0.1 0.5 0.5", "line 2 has the class 2; known are 0 to 1"),
        ("-1 0.1 0.1 0.5 0.1 0.5 0.5", "line 2 has the class -1"),
        ("0.5 0.1 0.1 0.5 0.1 0.5 0.5", r"line 2 has the class 0\.5"),
        ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.3", "line 2 has 7 coordinates; two a point are needed"),
        ("0 0.1 0.1 nan 0.1 0.5 0.5", "line 2 has a coordinate that is no finite number"),
        ("0 10 10 50 10 50 40", "line 2 has coordinates up to 50; shares of width and height are at most 1"),
        ("0 0.1 0.1 9.5 0.1 0.5 0.5", "line 2 reaches 544 pixels outside of its picture of 64x48"),
        ("car 0.1 0.1 0.5 0.1 0.5 0.5", "line 2 holds 'car 0.1 0.1"),
    ],
)
def test_a_line_that_cannot_be_read_takes_the_mask_with_it_by_file(tmp_path: Path, text: str, fault: str) -> None:
    picture = read(READER, folder(tmp_path, f"{line(1, ROAD)}\n{text}\n")).pictures[0]
    with pytest.raises(DataError, match=f"a b é.txt: {fault}"):
        mask_of(picture)


def test_a_file_of_boxes_is_refused_and_a_box_among_polygons_void(tmp_path: Path) -> None:
    box = f"0 {20.2 / WIDTH} {17.7 / HEIGHT} {20 / WIDTH} {15 / HEIGHT}"
    with pytest.raises(DataError, match=r"a b é\.txt: line 1 is a box and no outline, as all of its picture"):
        mask_of(read(READER, folder(tmp_path / "boxes", box)).pictures[0])
    found = read(READER, folder(tmp_path / "both", f"{line(1, ROAD)}\n{box}"))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[10:25, 10:30] = 255
    expected[inside(ROAD)] = 2
    assert np.array_equal(mask_of(found.pictures[0]), expected)
    assert "line 2 is a box among outlines; void where nothing else is." in found.notes[0]


def test_what_is_wrong_and_drawn_all_the_same_is_said_by_file(tmp_path: Path) -> None:
    found = read(
        READER,
        folder(tmp_path, "0 0.1 0.1 0.5 0.5 0.3 0.3\n1 -0.1 0.1 0.5 0.1 0.5 0.5\n0 0.1 0.1 0.2 0.2 0.2 0.1 0.1 0.2"),
    )
    file = tmp_path / "labels" / "train" / "a b é.txt"
    assert found.notes == (
        f"{file}: line 2 reaches 6 pixels outside of its picture, where it is cut off.",
        f"{file}: line 3 crosses itself; drawn by the even-odd rule.",
    )


@pytest.mark.parametrize(
    ("yaml", "fault"),
    [
        ("train: images/nowhere\nnames: [car, road]", "names 'images/nowhere', which is not in"),
        ("train: ../../../etc\nnames: [car, road]", "which is not in"),
        ("train: {a: b}\nnames: [car, road]", "train must be a folder, a text file of pictures, or a list"),
        ("train: images/train\nnames: car", "no list of class names under names"),
        ("train: images/train\nnames: {a: car}", "names must have class indices as keys"),
        ("train: images/list.txt\nnames: [car, road]", "lists '../../secret.png', which is not in"),
    ],
)
def test_a_yaml_file_that_leads_nowhere_is_refused_by_name(tmp_path: Path, yaml: str, fault: str) -> None:
    root = folder(tmp_path / "set", yaml=yaml)
    write_picture(tmp_path / "secret.png")
    write(root / "images" / "list.txt", "../../secret.png")
    with pytest.raises(DataError, match=fault):
        read(READER, root)


def test_pictures_behind_a_link_out_of_the_folder_are_none_of_it(tmp_path: Path) -> None:
    root = folder(tmp_path / "set")
    (root / "images" / "train" / "linked.png").symlink_to(write_picture(tmp_path / "secret.png"))
    assert len(read(READER, root).pictures) == 2


def test_our_own_folders_are_not_taken_for_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "train" / "a.png")
    write_picture(tmp_path / "masks" / "train" / "a.png")
    write(tmp_path / "data.yaml", "train: images/train\nnames: [car, road]")
    assert not READER.recognise(tmp_path)
    assert not READER.recognise(tmp_path / "nowhere")


def test_a_turned_photo_is_labelled_as_it_is_seen(tmp_path: Path) -> None:
    """Shares count from the upright picture."""
    image = pytest.importorskip("PIL.Image")
    root = folder(tmp_path)
    exif = image.Exif()
    exif[0x0112] = 6
    turned = root / "images" / "train" / "b.jpg"
    image.fromarray(np.zeros((WIDTH, HEIGHT, 3), np.uint8)).save(turned, exif=exif)
    write(root / "labels" / "train" / "b.txt", LINES)
    (root / "images" / "train" / "a b é.png").unlink()
    assert np.array_equal(mask_of(next(p for p in read(READER, root).pictures if p.image == turned)), street())


def test_one_folder_for_both_splits_is_in_both(tmp_path: Path) -> None:
    root = folder(tmp_path, yaml="train: images/train\nval: images/train\nnames: [car, road]\n")
    assert [picture.split for picture in read(READER, root).pictures] == ["train", "val"]
