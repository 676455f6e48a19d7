"""CVAT: its shapes, layers and tracks, where its pictures are, and what is wrong by file and shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_labels import CAR, CLASSES, HEIGHT, ROAD, STRAY, WIDTH, inside, mask_of, only, read, street, write_picture

from edgeseg.datasets.formats.cvat import READER
from edgeseg.errors import DataError

LABELS = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in ("car", "road"))
META = f"<meta><job><labels>{LABELS}</labels></job></meta>"


def polygon(label: str, points: Any, z_order: int = 0, **others: Any) -> str:
    said = ";".join(f"{x},{y}" for x, y in points)
    more = "".join(f' {key}="{value}"' for key, value in others.items())
    return f'<polygon label="{label}" source="manual" occluded="0" points="{said}" z_order="{z_order}"{more}></polygon>'


STREET = polygon("car", CAR, 1) + polygon("road", ROAD) + polygon("car", STRAY)


def write(path: Path, shapes: str = STREET, name: str = "a.png", meta: str = META, more: str = "") -> Path:
    image = f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}"{more}>{shapes}</image>'
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{image}</annotations>'
    path.write_text(text, encoding="utf-8")
    return path


def folder(tmp_path: Path, shapes: str = STREET, **changes: str) -> Path:
    write_picture(tmp_path / "images" / "a.png")
    write(tmp_path / "annotations.xml", shapes, **changes)
    return tmp_path


def test_polygons_are_drawn_by_z_order_and_where_pixels_have_their_centres_inside(tmp_path: Path) -> None:
    found = read(READER, folder(tmp_path))
    assert found.classes == CLASSES
    assert np.array_equal(mask_of(only(found)), street())


def test_boxes_turned_boxes_ellipses_and_masks_have_an_area(tmp_path: Path) -> None:
    box = '<box label="car" xtl="3.5" ytl="2.5" xbr="12.2" ybr="9.7" z_order="0"/>'
    turned = '<box label="road" xtl="20.2" ytl="10.3" xbr="40.2" ybr="20.3" rotation="30" z_order="0"/>'
    ellipse = '<ellipse label="car" cx="50.2" cy="35.1" rx="9.4" ry="4.7" z_order="0"/>'
    coded = '<mask label="road" rle="2, 3, 4, 1, 2" left="2" top="40" width="4" height="3" z_order="0"/>'
    mask = mask_of(only(read(READER, folder(tmp_path, box + turned + ellipse + coded))))
    corners = (
        (np.array([[-10, -5], [10, -5], [10, 5], [-10, 5]]) @ [1, 1j]) * np.exp(1j * np.deg2rad(30)) + 30.2 + 15.3j
    )
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[2:10, 3:12] = 1
    expected[inside(np.stack([corners.real, corners.imag], 1))] = 2
    expected[((columns - 50.2) / 9.4) ** 2 + ((rows - 35.1) / 4.7) ** 2 <= 1] = 1
    expected[40:43, 2:6] = np.array([[0, 0, 2, 2], [2, 0, 0, 0], [0, 2, 0, 0]])
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("xml", "picture", "name", "more", "split"),
    [
        ("annotations.xml", "images/a.png", "a.png", "", None),
        ("annotations.xml", "a.png", "a.png", "", None),
        ("annotations.xml", "images/train/a.png", "a.png", ' subset="Train"', "train"),
        ("annotations.xml", "images/Validation/a.png", "a.png", ' subset="Validation"', "val"),
        ("annotations.xml", "images/city/a.png", "city/a.png", "", None),
        ("train/annotations.xml", "train/images/a.png", "a.png", "", "train"),
    ],
)
def test_pictures_are_found_where_exports_put_them(
    tmp_path: Path, xml: str, picture: str, name: str, more: str, split: str | None
) -> None:
    image = write_picture(tmp_path / picture)
    write(tmp_path / xml, name=name, more=more)
    found = only(read(READER, tmp_path))
    assert (found.image, found.split) == (image, split)


def test_tracks_of_a_video_are_drawn_where_they_are_not_outside(tmp_path: Path) -> None:
    for frame in (0, 1):
        write_picture(tmp_path / "images" / f"frame_{frame:06d}.png")
    shapes = [
        polygon("x", ROAD, frame=0, outside=0) + polygon("x", ROAD, frame=1, outside=0),
        polygon("x", CAR, 1, frame=0, outside=0) + polygon("x", CAR, 1, frame=1, outside=1),
        polygon("x", STRAY, frame=0, outside=0),
    ]
    tracks = "".join(
        f'<track id="{at}" label="{label}">{text}</track>'
        for at, (label, text) in enumerate(zip(("road", "car", "car"), shapes, strict=True))
    )
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    meta = META.replace("</job>", f"{size}</job>")
    (tmp_path / "a.xml").write_text(
        f"<annotations><version>1.1</version>{meta}{tracks}</annotations>", encoding="utf-8"
    )
    first, second = read(READER, tmp_path).pictures
    assert np.array_equal(mask_of(first), street())
    assert np.array_equal(mask_of(second), np.where(inside(ROAD), 2, 0))


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (polygon("bike", CAR), r"polygon 2 \(bike\) has the unknown class 'bike'; known are car, road"),
        (polygon("car", [(1, 2), (3, "nan"), (5, 6)]), r"polygon 2 \(car\) has a coordinate that is no finite number"),
        (polygon("car", [(1, 2), (3, "x"), (5, 6)]), r"polygon 2 \(car\) has points that are no list of numbers"),
        ('<box label="car" xtl="3"/>', r"box 2 \(car\) has no number for ytl: None"),
        ('<mask label="car" rle="1,2" left="0" top="0" width="9" height="9"/>', r"mask 2 \(car\) has run lengths of 3"),
        (
            '<mask label="car" rle="-1,82" left="0" top="0" width="9" height="9"/>',
            r"mask 2 \(car\) has run lengths",
        ),
        ('<spiral label="car"/>', r"spiral 2 \(car\) is a spiral, which is not known"),
    ],
)
def test_a_shape_that_cannot_be_read_takes_the_mask_with_it_by_name(tmp_path: Path, wrong: str, fault: str) -> None:
    picture = only(read(READER, folder(tmp_path, polygon("road", ROAD) + wrong)))
    with pytest.raises(DataError, match=rf"annotations\.xml, a\.png: {fault}"):
        mask_of(picture)


def test_lines_points_and_tags(tmp_path: Path) -> None:
    lines = '<polyline label="road" points="1,1;5,5"/><points label="car" points="1,1"/><tag label="night"/>'
    found = read(READER, folder(tmp_path, STREET + lines))
    where = f"{tmp_path / 'annotations.xml'}, a.png"
    assert found.notes == (
        f"{where}: polyline 4 (road) has no area; left out.", f"{where}: points 5 (car) has no area; left out."
    )  # fmt: skip
    assert np.array_equal(mask_of(only(found)), street())


def test_a_picture_without_shapes_is_background_and_one_without_an_entry_unlabelled(tmp_path: Path) -> None:
    write_picture(folder(tmp_path, "") / "images" / "b.png")
    listed, other = read(READER, tmp_path).pictures
    assert not mask_of(listed).any()
    assert other.render is None


def test_a_picture_that_is_not_there_is_told_and_a_folder_without_any_refused(tmp_path: Path) -> None:
    write(tmp_path / "annotations.xml")
    with pytest.raises(DataError, match="Export with images, or put them into images/"):
        read(READER, tmp_path)
    folder(tmp_path)
    write(tmp_path / "more.xml", name="gone.png")
    assert "1 pictures are not there, first gone.png of" in read(READER, tmp_path).notes[0]


def test_other_xml_files_are_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<annotation><folder>VOC</folder></annotation>", encoding="utf-8")
    assert not READER.recognise(tmp_path)
