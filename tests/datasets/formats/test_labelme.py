"""LabelMe: its shapes, where its pictures are, and what is wrong by file and shape."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_labels import CAR, CLASSES, HEIGHT, ROAD, STRAY, WIDTH, inside, mask_of, only, read, street, write_picture

from edgeseg.datasets.formats.labelme import READER
from edgeseg.errors import DataError


def shape(label: Any, points: Any, kind: str | None = "polygon", **others: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **others}


STREET = [shape("road", ROAD), shape("car", CAR), shape("car", STRAY)]


def write(path: Path, shapes: list[Any] = STREET, encoding: str = "utf-8", **changes: Any) -> Path:
    values = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "a.png", "imageData": None}
    values |= {"imageHeight": HEIGHT, "imageWidth": WIDTH, **changes}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding=encoding)
    return path


def folder(tmp_path: Path, *shapes: Any, **changes: Any) -> Path:
    write_picture(tmp_path / "a.png")
    write(tmp_path / "a.json", list(shapes) or STREET, **changes)
    return tmp_path


def test_polygons_are_drawn_where_pixels_have_their_centres_inside(tmp_path: Path) -> None:
    found = read(READER, folder(tmp_path))
    assert found.classes == CLASSES
    assert np.array_equal(mask_of(only(found)), street())


def test_what_is_drawn_later_lies_above(tmp_path: Path) -> None:
    mask = mask_of(only(read(READER, folder(tmp_path, shape("car", CAR), shape("road", ROAD)))))
    assert np.array_equal(mask, np.where(inside(ROAD), 2, np.where(inside(CAR), 1, 0)))


def test_rectangles_and_circles_have_an_area(tmp_path: Path) -> None:
    shapes = [shape("car", [[30.6, 20.5], [10.2, 5.5]], "rectangle"), shape("road", [[45, 30], [45, 40.5]], "circle")]
    mask = mask_of(only(read(READER, folder(tmp_path, *shapes))))
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    assert np.array_equal(mask == 1, (columns > 10.2) & (columns < 30.6) & (rows >= 5.5) & (rows < 20.5))
    assert np.array_equal(mask == 2, (columns - 45) ** 2 + (rows - 30) ** 2 <= 10.5**2)


def test_a_mask_lies_where_its_corner_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((9, 12)) < 0.5
    text = base64.b64encode(cv2.imencode(".png", pixels.astype(np.uint8) * 255)[1]).decode()
    found = read(READER, folder(tmp_path, shape("car", [[5, 7], [16, 15]], "mask", mask=text)))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[7:16, 5:17] = pixels
    assert np.array_equal(mask_of(only(found)), expected)


def test_the_classes_of_labels_txt_come_first_in_their_order_and_ignore_is_void(tmp_path: Path) -> None:
    shapes = [*STREET, shape("__ignore__", STRAY)]
    (folder(tmp_path, *shapes) / "labels.txt").write_text("__ignore__\n_background_\nroad\ncar\n", encoding="utf-8-sig")
    found = read(READER, tmp_path)
    assert found.classes == ("background", "road", "car")
    expected = np.array([0, 2, 1], np.uint8)[street()]
    expected[inside(STRAY)] = 255
    assert np.array_equal(mask_of(only(found)), expected)


@pytest.mark.parametrize(
    ("json_at", "picture_at", "image_path", "split"),
    [
        ("a.json", "a.png", "a.png", None),
        ("train/a.json", "train/a.png", "a.png", "train"),
        ("labels/a.json", "images/a.png", "..\\images\\a.png", None),
        ("labels/val/a.json", "images/val/a.png", "../../images/val/a.png", "val"),
        ("a.json", "a.png", "C:\\Users\\me\\a.png", None),
        ("Foto 1 é.json", "Foto 1 é.png", "renamed.png", None),
    ],
)
def test_pictures_are_found_where_people_put_them(
    tmp_path: Path, json_at: str, picture_at: str, image_path: str, split: str | None
) -> None:
    image = write_picture(tmp_path / picture_at)
    write(tmp_path / json_at, encoding="utf-8-sig", imagePath=image_path)
    found = only(read(READER, tmp_path))
    assert (found.image, found.split) == (image, split)
    assert np.array_equal(mask_of(found), street())


def test_an_embedded_picture_is_taken_where_there_is_no_file(tmp_path: Path) -> None:
    data = write_picture(tmp_path / "elsewhere" / "a.png").read_bytes()
    write(tmp_path / "set" / "a.json", imageData=base64.b64encode(data).decode())
    found = only(read(READER, tmp_path / "set"))
    assert found.image == data
    assert np.array_equal(mask_of(found), street())


def test_a_picture_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    write(tmp_path / "set" / "a.json", imagePath="../a.png")
    with pytest.raises(DataError, match="None of the pictures of 1 JSON files is in"):
        read(READER, tmp_path / "set")


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (
            shape("car", [[1, 2], [3, float("nan")], [5, 6]]),
            r"shape 2 \(car\) has a coordinate that is no finite",
        ),
        (shape("car", [[1, 2], [3], [5, 6]]), r"shape 2 \(car\) has points that are no list of numbers"),
        (shape("car", None), r"shape 2 \(car\) has points that are no list of numbers"),
        (shape("car", [[1, 2]], "rectangle"), r"shape 2 \(car\) has 1 points; two are needed"),
        (shape("car", [[1, 2], [9, 9]], "mask", mask="x"), r"shape 2 \(car\) holds a mask that is no PNG in base64"),
        (shape("car", [[1, 2], [9, 9]], "spiral"), r"shape 2 \(car\) is of the kind 'spiral'"),
        (shape(None, CAR), "shape 2 has no label"),
        (shape("", CAR), "shape 2 has no label"),
    ],
)
def test_a_shape_that_cannot_be_read_takes_the_mask_with_it_by_name(tmp_path: Path, wrong: Any, fault: str) -> None:
    picture = only(read(READER, folder(tmp_path, shape("road", ROAD), wrong)))
    with pytest.raises(DataError, match=rf"a\.json: {fault}"):
        mask_of(picture)


def test_lines_and_points_are_left_out_and_told(tmp_path: Path) -> None:
    kinds = ("line", "linestrip", "point")
    found = read(READER, folder(tmp_path, *STREET, *(shape("pole", [[1, 1], [2, 2]], kind) for kind in kinds)))
    assert found.notes == tuple(
        f"{tmp_path / 'a.json'}: shape {at} (pole) is a {kind} and has no area; left out."
        for at, kind in enumerate(kinds, 4)
    )
    assert np.array_equal(mask_of(only(found)), street())


def test_a_class_that_is_not_chosen_is_background(tmp_path: Path) -> None:
    found = read(READER, folder(tmp_path), classes=("background", "car"))
    assert np.array_equal(mask_of(only(found)), np.where(street() == 1, 1, 0))


def test_pictures_without_a_file_are_unlabelled_and_pictures_labelled_twice_are_told(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path / "copy.json")
    write_picture(tmp_path / "b.png")
    found = read(READER, tmp_path)
    assert [(Path(str(picture.image)).name, picture.render is None) for picture in found.pictures] == [
        ("a.png", False), ("b.png", True)
    ]  # fmt: skip
    assert found.notes == (f"{tmp_path / 'copy.json'} labels the picture of a.json again; left out.",)


def test_the_size_in_the_file_is_that_of_the_mask(tmp_path: Path) -> None:
    """So that a picture which EXIF turns, or which was made smaller, is found out."""
    found = read(READER, folder(tmp_path, imageHeight=WIDTH, imageWidth=HEIGHT))
    assert mask_of(only(found)).shape == (WIDTH, HEIGHT)
