"""Supervisely, VGG Image Annotator, Label Studio: their shapes, their pictures, what is wrong by file and object."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_labels import CAR, CLASSES, HEIGHT, ROAD, STRAY, WIDTH, inside, mask_of, only, read, street, write_picture

from edgeseg.datasets.formats import label_studio, supervisely, via
from edgeseg.errors import DataError

SHAPES = (("road", ROAD), ("car", CAR), ("car", STRAY))


def write(path: Path, values: Any, encoding: str = "utf-8-sig") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding=encoding)
    return path


def supervisely_folder(tmp_path: Path, objects: list[Any], size: Any = None) -> Path:
    classes = [{"title": name, "shape": "any", "color": "#ff0000"} for name in ("car", "road")]
    write(tmp_path / "meta.json", {"classes": classes, "tags": []})
    write_picture(tmp_path / "train" / "img" / "a é.png")
    said = {"description": "", "size": size or {"height": HEIGHT, "width": WIDTH}, "objects": objects}
    write(tmp_path / "train" / "ann" / "a é.png.json", said)
    return tmp_path


def supervisely_polygon(name: str, points: Any, holes: Any = ()) -> dict[str, Any]:
    return {"classTitle": name, "geometryType": "polygon", "points": {"exterior": points, "interior": list(holes)}}


def test_polygons_of_supervisely_are_drawn_in_their_order(tmp_path: Path) -> None:
    objects = [supervisely_polygon(name, points) for name, points in SHAPES]
    found = read(supervisely.READER, supervisely_folder(tmp_path, objects))
    picture = only(found)
    assert (found.classes, picture.split, picture.name) == (CLASSES, "train", "a é")
    assert np.array_equal(mask_of(picture), street())


def test_bitmaps_and_holes_of_supervisely(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((9, 12)) < 0.5
    png = cv2.imencode(".png", np.dstack([pixels.astype(np.uint8) * 255] * 4))[1].tobytes()
    bitmap = {"data": base64.b64encode(zlib.compress(png)).decode(), "origin": [5, 7]}
    objects = [
        supervisely_polygon("road", ROAD, [STRAY, CAR]),
        {"classTitle": "car", "geometryType": "bitmap", "bitmap": bitmap},
    ]
    mask = mask_of(only(read(supervisely.READER, supervisely_folder(tmp_path, objects))))
    expected = np.where(inside(ROAD) & ~inside(CAR), 2, 0)
    expected[7:16, 5:17][pixels] = 1
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (supervisely_polygon("bike", CAR), r"object 1 \(bike\) has the unknown class 'bike'"),
        (supervisely_polygon("car", [[1, 2], [3]]), r"object 1 \(car\) has points that are no list of numbers"),
        (
            {"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": "x", "origin": [0, 0]}},
            "no PNG in base64",
        ),
        ({"classTitle": "car", "geometryType": "bitmap"}, "a bitmap without an origin"),
        ({"classTitle": "car", "geometryType": "spiral"}, "of the kind 'spiral'"),
    ],
)
def test_an_object_of_supervisely_that_cannot_be_read_is_named(tmp_path: Path, wrong: Any, fault: str) -> None:
    picture = only(read(supervisely.READER, supervisely_folder(tmp_path, [wrong])))
    with pytest.raises(DataError, match=rf"a é\.png\.json: .*{fault}"):
        mask_of(picture)


def test_a_small_file_cannot_become_gigabytes(tmp_path: Path) -> None:
    bomb = zlib.compress(b"\x89PNG\r\n\x1a\n" + bytes(300 << 20), 9)
    bitmap = {"data": base64.b64encode(bomb).decode(), "origin": [5, 7]}
    wrong = {"classTitle": "car", "geometryType": "bitmap", "bitmap": bitmap}
    with pytest.raises(DataError, match="holds a mask that is a damaged PNG"):
        mask_of(only(read(supervisely.READER, supervisely_folder(tmp_path, [wrong]))))


def via_folder(tmp_path: Path, regions: Any, project: bool = False) -> Path:
    write_picture(tmp_path / "a é.png")
    entry = {"filename": "a é.png", "size": 99, "regions": regions, "file_attributes": {}}
    entries = {"a é.png99": entry}
    values = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}} if project else entries
    write(tmp_path / "via_region_data.json", values)
    return tmp_path


def via_region(name: Any, points: Any, key: str = "class") -> dict[str, Any]:
    x, y = zip(*points, strict=True)
    shape = {"name": "polygon", "all_points_x": list(x), "all_points_y": list(y)}
    return {"shape_attributes": shape, "region_attributes": {key: name} if name else {}}


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("key", ["class", "Label", "object"])
def test_regions_of_via_are_drawn_in_their_order(tmp_path: Path, project: bool, numbered: bool, key: str) -> None:
    regions: Any = [via_region(name, points, key) for name, points in SHAPES]
    regions = {str(at): region for at, region in enumerate(regions)} if numbered else regions
    found = read(via.READER, via_folder(tmp_path, regions, project))
    assert found.classes == CLASSES
    assert f"Classes are the attribute {key!r} of the regions." in found.notes
    assert np.array_equal(mask_of(only(found)), street())


def test_rectangles_circles_and_boxes_to_tick_of_via(tmp_path: Path) -> None:
    shapes = [
        {"name": "rect", "x": 3.5, "y": 2.5, "width": 8.7, "height": 7.2},
        {"name": "circle", "cx": 45, "cy": 30, "r": 10.5},
    ]
    ticked = [{"kind": {"car": True, "road": False}}, {"kind": {"car": False, "road": True}}]
    regions = [
        {"shape_attributes": shape, "region_attributes": said} for shape, said in zip(shapes, ticked, strict=True)
    ]
    mask = mask_of(only(read(via.READER, via_folder(tmp_path, regions))))
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    expected = np.where((columns - 45) ** 2 + (rows - 30) ** 2 <= 10.5**2, 2, 0)
    expected[2:10, 3:12] = 1
    assert np.array_equal(mask, expected)


def test_via_rounds_to_pixels_and_these_belong_to_the_region(tmp_path: Path) -> None:
    square = via_region("car", [[10, 10], [30, 10], [30, 20], [10, 20]])
    assert mask_of(only(read(via.READER, via_folder(tmp_path, [square])))).sum() == 21 * 11


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (via_region("", CAR), "region 2 has no class"),
        (via_region("car", [[1, 2], [3, None], [5, 6]]), r"region 2 \(car\) has a coordinate that is no finite number"),
        ({"shape_attributes": {"name": "rect"}, "region_attributes": {"class": "car"}}, "has no number for x"),
        ({"shape_attributes": {}, "region_attributes": {"class": "car"}}, "of the kind 'None'"),
    ],
)
def test_a_region_of_via_that_cannot_be_read_is_named(tmp_path: Path, wrong: Any, fault: str) -> None:
    picture = only(read(via.READER, via_folder(tmp_path, [via_region("road", ROAD), wrong])))
    with pytest.raises(DataError, match=rf"via_region_data\.json, a é\.png: .*{fault}"):
        mask_of(picture)


def test_regions_of_via_without_a_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no attribute that says a class"):
        read(via.READER, via_folder(tmp_path, [via_region("", CAR)]))


def studio_folder(tmp_path: Path, results: list[Any], name: str = "0a1b2c3d-a.png") -> Path:
    write_picture(tmp_path / "images" / "a.png")
    cancelled = {"was_cancelled": True, "result": []}
    task = {"id": 4, "annotations": [{"result": results}, cancelled], "data": {"image": f"/data/upload/1/{name}"}}
    write(tmp_path / "project-1.json", [task])
    return tmp_path


def studio_region(name: str, kind: str, **value: Any) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {**size, "type": kind, "value": {**value, kind: [name]}}


def studio_polygon(name: str, points: Any) -> dict[str, Any]:
    shares = [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in points]
    return studio_region(name, "polygonlabels", points=shares, closed=True)


def test_polygons_of_label_studio_are_drawn_in_their_order(tmp_path: Path) -> None:
    found = read(label_studio.READER, studio_folder(tmp_path, [studio_polygon(*shape) for shape in SHAPES]))
    assert found.classes == CLASSES
    assert np.array_equal(mask_of(only(found)), street())


def test_a_local_address_of_label_studio_leads_to_its_picture(tmp_path: Path) -> None:
    shapes = [studio_polygon(*shape) for shape in SHAPES]
    found = read(label_studio.READER, studio_folder(tmp_path, shapes, "x?d=street%20one/images/a.png"))
    assert only(found).image == tmp_path / "images" / "a.png"


def test_rectangles_and_ellipses_of_label_studio(tmp_path: Path) -> None:
    box = studio_region("car", "rectanglelabels", x=10, y=10, width=25.3, height=31, rotation=0)
    round_one = studio_region("road", "ellipselabels", x=70, y=60, radiusX=14.2, radiusY=13.3, rotation=0)
    mask = mask_of(only(read(label_studio.READER, studio_folder(tmp_path, [box, round_one]))))
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    across, down = (columns / WIDTH - 0.7) / 0.142, (rows / HEIGHT - 0.6) / 0.133
    expected = np.where(across**2 + down**2 <= 1, 2, 0)
    expected[(abs(columns - 14.496) < 8.096) & (abs(rows - 12.24) < 7.44)] = 1
    assert np.array_equal(mask, expected)


def encode_brush(mask: np.ndarray) -> list[int]:
    """Bits as the brush of Label Studio packs them: half of the runs repeated, half of them word for word."""
    values = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 6, 9, 16))
    at = 0
    while at < len(values):
        same = 1
        while at + same < len(values) and values[at + same] == values[at] and same < 1 << 16:
            same += 1
        if same > 4:
            bits += f"1{3:02b}{same - 1:016b}{values[at]:08b}"
            at += same
        else:
            bits += f"0{0:02b}{3:03b}" + "".join(f"{value:08b}" for value in values[at : at + 4])
            at += 4
    bits += "0" * (-len(bits) % 8)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]


def test_a_brush_region_of_label_studio_is_decoded(tmp_path: Path) -> None:
    mask = inside(ROAD) & (np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.9)
    region = studio_region("road", "brushlabels", format="rle", rle=encode_brush(mask))
    found = read(label_studio.READER, studio_folder(tmp_path, [region]))
    assert np.array_equal(mask_of(only(found)), mask.astype(np.uint8))


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (studio_region("road", "brushlabels", rle=[0, 0, 0, 4]), "brush region of 1 pixels in a picture of 64x48"),
        (studio_region("road", "brushlabels", rle=[0, 0, 48, 0]), "brush region that ends too early"),
        (studio_region("road", "brushlabels", rle="abc"), "brush region that is no list of bytes"),
        (studio_region("road", "polygonlabels", points="abc"), "points that are no list of pairs"),
        (studio_region("road", "rectanglelabels", x=1), "no sensible numbers for x, y, width, height"),
        ({**studio_region("road", "polygonlabels"), "value": {"polygonlabels": ["car", "road"]}}, "has 2 classes"),
    ],
)
def test_a_region_of_label_studio_that_cannot_be_read_is_named(tmp_path: Path, wrong: Any, fault: str) -> None:
    picture = only(read(label_studio.READER, studio_folder(tmp_path, [studio_polygon("car", CAR), wrong])))
    with pytest.raises(DataError, match=rf"project-1\.json, task 4: .*{fault}"):
        mask_of(picture)


def test_an_export_of_label_studio_without_pictures_is_refused(tmp_path: Path) -> None:
    studio_folder(tmp_path, [studio_polygon("car", CAR)], "other.png")
    with pytest.raises(DataError, match="Copy them there; an export has addresses alone"):
        read(label_studio.READER, tmp_path)
