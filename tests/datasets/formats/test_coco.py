"""COCO: what its own programs draw, the folders in which people have it, and what is wrong by file and object."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_labels import CAR, CLASSES, HEIGHT, ROAD, STRAY, WIDTH, mask_of, only, read, write_picture

from edgeseg.datasets.formats.coco import READER
from edgeseg.errors import DataError

coco_masks = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CATEGORIES = [{"id": 3, "name": "car", "supercategory": "thing"}, {"id": 90, "name": "road", "supercategory": "stuff"}]


def flat(points: Any) -> list[float]:
    return [value for point in points for value in point]


def annotation(number: int, category: int, segmentation: Any, **others: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 7, "category_id": category, "segmentation": segmentation, "iscrowd": 0, **others}


def street_of(file_name: str = "a.png") -> dict[str, Any]:
    image = {"id": 7, "file_name": file_name, "height": HEIGHT, "width": WIDTH}
    objects = [annotation(1, 3, [flat(CAR), flat(STRAY)]), annotation(2, 90, [flat(ROAD)])]
    return {"images": [image], "annotations": objects, "categories": CATEGORIES}


def write(path: Path, values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def folder(tmp_path: Path, *objects: dict[str, Any], **changes: Any) -> Path:
    """A folder with one picture and these annotations."""
    write_picture(tmp_path / "a.png")
    values = street_of() | ({"annotations": list(objects)} if objects else {}) | changes
    write(tmp_path / "_annotations.coco.json", values)
    return tmp_path


def drawn_by_coco(*polygons: Any) -> np.ndarray:
    code = coco_masks.merge(coco_masks.frPyObjects([flat(points) for points in polygons], HEIGHT, WIDTH))
    return coco_masks.decode(code) > 0


def expected() -> np.ndarray:
    mask = np.where(drawn_by_coco(ROAD), 2, 0)
    mask[drawn_by_coco(CAR, STRAY)] = 1
    return mask


def test_polygons_are_drawn_pixel_for_pixel_as_the_coco_api_draws_them(tmp_path: Path) -> None:
    """The car is listed first and lies above the road all the same: it is the smaller."""
    found = read(READER, folder(tmp_path))
    assert found.classes == CLASSES
    assert np.array_equal(mask_of(only(found)), expected())


@pytest.mark.parametrize("compressed", [True, False])
def test_run_lengths_are_read_compressed_and_as_a_list(tmp_path: Path, compressed: bool) -> None:
    mask = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.4
    code = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    down = mask.T.ravel()
    turns = np.flatnonzero(down[1:] != down[:-1]) + 1
    counts = np.diff([0, *turns, down.size]).tolist()
    counts = [0, *counts] if down[0] else counts
    said = code["counts"].decode() if compressed else counts
    found = read(READER, folder(tmp_path, annotation(1, 90, {"size": [HEIGHT, WIDTH], "counts": said})))
    assert np.array_equal(mask_of(only(found)), np.where(mask, 2, 0))


def test_a_crowd_lies_below_and_is_of_its_class(tmp_path: Path) -> None:
    everything = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}
    crowd = annotation(9, 3, everything, iscrowd=1)
    mask = mask_of(only(read(READER, folder(tmp_path, annotation(1, 90, [flat(ROAD)]), crowd))))
    assert np.array_equal(mask, np.where(drawn_by_coco(ROAD), 2, 1))


@pytest.mark.parametrize(
    ("file", "picture", "split"),
    [
        ("train/_annotations.coco.json", "train/a.png", "train"),
        ("valid/_annotations.coco.json", "valid/a.png", "val"),
        ("_annotations.coco.json", "a.png", None),
        ("annotations/instances_train2017.json", "train2017/a.png", "train"),
        ("annotations/instances_val2017.json", "images/val2017/a.png", "val"),
        ("annotations/instances_default.json", "images/default/a.png", None),
        ("annotations/test.json", "images/a.png", "test"),
        ("labels.json", "data/a.png", None),
        ("result.json", "images/a.png", None),
    ],
)
def test_pictures_are_found_where_exports_put_them(tmp_path: Path, file: str, picture: str, split: str | None) -> None:
    image = write_picture(tmp_path / picture)
    write(tmp_path / file, street_of())
    found = only(read(READER, tmp_path))
    assert (found.image, found.split) == (image, split)
    assert found.name.removeprefix("default/") == "a"
    assert np.array_equal(mask_of(found), expected())


def test_the_file_itself_can_be_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "train2017" / "a.png")
    write(tmp_path / "annotations" / "instances_val2017.json", street_of())
    path = write(tmp_path / "annotations" / "instances_train2017.json", street_of())
    assert only(read(READER, path)).split == "train"


def test_keypoints_and_captions_beside_the_instances_are_not_read(tmp_path: Path) -> None:
    write_picture(tmp_path / "train2017" / "a.png")
    for kind in ("instances", "captions", "person_keypoints"):
        write(tmp_path / "annotations" / f"{kind}_train2017.json", street_of())
    assert len(read(READER, tmp_path).pictures) == 1


def test_the_group_that_roboflow_lists_as_a_class_is_none(tmp_path: Path) -> None:
    group = {"id": 0, "name": "street-things", "supercategory": "none"}
    others = [{**each, "supercategory": "street-things"} for each in CATEGORIES]
    found = read(READER, folder(tmp_path, categories=[group, *others]))
    assert found.classes == CLASSES
    assert "'street-things' is a group of classes and no class" in found.notes[0]


def test_chosen_classes_are_kept_and_the_others_are_background(tmp_path: Path) -> None:
    found = read(READER, folder(tmp_path), classes=("background", "road"))
    assert found.classes == ("background", "road")
    assert np.array_equal(mask_of(only(found)), np.where(drawn_by_coco(ROAD), 1, 0))
    assert "Drawn as background, since they are not among the classes: car." in found.notes
    with pytest.raises(DataError, match=r"no class 'bicycle'; found car, road"):
        read(READER, tmp_path, classes=("bicycle",))


def trace(mask: np.ndarray) -> list[Any]:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [contour for contour in contours if len(contour) > 2]


@pytest.mark.parametrize(
    "said",
    [
        lambda contour: {"bbox": list(cv2.boundingRect(contour)), "area": cv2.contourArea(contour)},
        lambda contour: {"area": int(cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [contour], 1).sum())},
        lambda contour: {},
    ],
    ids=["box of OpenCV", "area in pixels", "nothing"],
)
def test_masks_that_opencv_traced_come_back_as_they_were(tmp_path: Path, said: Any) -> None:
    mask = drawn_by_coco(ROAD) | drawn_by_coco(STRAY)
    objects = [
        annotation(at, 90, [contour.ravel().tolist()], **said(contour)) for at, contour in enumerate(trace(mask))
    ]
    found = read(READER, folder(tmp_path, *objects))
    assert np.array_equal(mask_of(only(found)), np.where(mask, 2, 0))


def test_traced_road_is_read_as_the_index_masks_of_the_same_pictures(data_dir: Path) -> None:
    """Of 100,000 pixels 39 differ: areas of one or two pixels, which the file does not have."""
    field = data_dir / "field" / "13-masks"
    if not field.is_dir():
        pytest.skip(f"no field/13-masks in {data_dir}")
    counts = np.zeros((2, 2), np.int64)
    for picture in read(READER, field / "coco").pictures:
        mask_file = field / "binary255" / "masks" / "train" / f"{picture.name}.png"
        truth = cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE) > 0
        by_points = drawn_by_points(field / "coco" / "train" / "_annotations.coco.json", picture.name)
        for row, road in enumerate((mask_of(picture) > 0, by_points)):
            counts[row] += (road & truth).sum(), (road | truth).sum()
    as_read, as_points = counts[:, 0] / counts[:, 1]
    assert as_read > 0.9995
    assert as_points < 0.96, "drawn as points, four points of IoU would be lost"


def drawn_by_points(file: Path, name: str) -> np.ndarray:
    """The same polygons as the COCO API draws them."""
    values = json.loads(file.read_text(encoding="utf-8"))
    (image,) = (each for each in values["images"] if each["file_name"] == f"{name}.jpg")
    polygons = [
        ring for each in values["annotations"] if each["image_id"] == image["id"] for ring in each["segmentation"]
    ]
    return coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects(polygons, image["height"], image["width"]))) > 0


def test_whole_numbers_whose_box_and_area_are_those_of_points_are_drawn_as_points(tmp_path: Path) -> None:
    square = annotation(1, 90, [[10, 10, 30, 10, 30, 20, 10, 20]], bbox=[10, 10, 20, 10], area=200)
    assert (mask_of(only(read(READER, folder(tmp_path, square)))) == 2).sum() == 200


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (annotation(5, 8, [flat(CAR)]), "annotation 5 has the category 8, which has no name under categories"),
        (annotation(5, 3, [[1, 2, 3, math.nan, 5, 6]]), "annotation 5 has a coordinate that is no finite number"),
        (annotation(5, 3, [[1, 2, 3, 4, 5, 1e9]]), "annotation 5 reaches 999999952 pixels outside"),
        (annotation(5, 3, [[1, 2, 3, 4, 5]]), "annotation 5 has 5 coordinates; two a point are needed"),
        (annotation(5, 3, [["a", 2, 3, 4, 5, 6]]), "annotation 5 has points that are no list of numbers"),
        (annotation(5, 3, []), "annotation 5 has neither an outline nor a box"),
        (annotation(5, 3, [], bbox=[1, 2, 1e9, 4]), "annotation 5 reaches 999999937 pixels outside"),
        (annotation(5, 3, {"size": [HEIGHT, WIDTH], "counts": [7]}), "annotation 5 has run lengths of 7 pixels"),
        (annotation(5, 3, {"size": [9, 9], "counts": [81]}), r"annotation 5 is a mask of \[height, width\] \[9, 9\]"),
    ],
)
def test_an_object_that_cannot_be_read_takes_the_mask_with_it_by_name(
    tmp_path: Path, changed: dict[str, Any], fault: str
) -> None:
    """It must not become background."""
    picture = only(read(READER, folder(tmp_path, annotation(1, 90, [flat(ROAD)]), changed)))
    with pytest.raises(DataError, match=rf"_annotations\.coco\.json, a\.png: {fault}"):
        mask_of(picture)


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([[1.5, 1.5], [30.5, 1.5]], "annotation 5 has 2 points, which outline nothing; left out."),
        (
            [[-9.5, 5.5], [30.5, 5.5], [10.5, 30.5]],
            "annotation 5 reaches 10 pixels outside of its picture, where it is cut off.",
        ),
        (
            [[1.5, 1.5], [40.5, 40.5], [40.5, 1.5], [1.5, 40.5]],
            "annotation 5 crosses itself; drawn by the even-odd rule.",
        ),
    ],
)
def test_what_is_wrong_and_drawn_all_the_same_is_said_by_object(tmp_path: Path, points: Any, fault: str) -> None:
    found = read(READER, folder(tmp_path, annotation(1, 90, [flat(ROAD)]), annotation(5, 3, [flat(points)])))
    picture = only(found)
    assert found.notes == (f"{tmp_path / '_annotations.coco.json'}, a.png: {fault}",)
    visible = drawn_by_coco(ROAD, points) if len(points) > 2 else drawn_by_coco(ROAD)
    assert np.array_equal(mask_of(picture) > 0, visible)


def test_a_box_among_outlines_is_void_where_nothing_else_is(tmp_path: Path) -> None:
    box = annotation(5, 3, [], bbox=[10.2, 10.2, 20, 15])
    found = read(READER, folder(tmp_path, annotation(1, 90, [flat(ROAD)]), box))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[10:25, 10:30] = 255
    expected[drawn_by_coco(ROAD)] = 2
    assert np.array_equal(mask_of(only(found)), expected)
    assert "annotation 5 is a box among outlines; void where nothing else is." in found.notes[0]


def test_a_picture_of_boxes_among_others_with_outlines_is_refused(tmp_path: Path) -> None:
    images = [{**street_of()["images"][0], "id": at, "file_name": name} for at, name in ((7, "a.png"), (8, "b.png"))]
    box = {**annotation(5, 3, [], bbox=[10, 10, 20, 15]), "image_id": 8}
    write_picture(folder(tmp_path, annotation(1, 90, [flat(ROAD)]), box, images=images) / "b.png")
    with pytest.raises(DataError, match=r"b\.png: annotation 5 is a box and no outline, as all of its picture"):
        mask_of(read(READER, tmp_path).pictures[1])


def test_boxes_alone_are_refused_by_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"_annotations\.coco\.json holds 1 boxes and no outlines"):
        read(READER, folder(tmp_path, annotation(1, 3, [], bbox=[1, 2, 3, 4])))


def test_a_panoptic_file_is_declined(tmp_path: Path) -> None:
    panoptic = {"image_id": 7, "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 3}]}
    with pytest.raises(DataError, match="is a panoptic file of COCO"):
        read(READER, folder(tmp_path, panoptic))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"categories": [{"id": 3}]}, "the category {'id': 3} has no name or no id"),
        ({"categories": [*CATEGORIES, {"id": 3, "name": "van"}]}, "the category 3 is both 'car' and 'van'"),
        ({"images": []}, "lists no pictures under images"),
        ({"images": [{"id": 7}]}, "has no file_name or no id"),
        ({"images": [{"id": 7, "file_name": "b.png"}]}, "None of the pictures of"),
        ({"annotations": {}}, "annotations must be a list of objects; found object"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(tmp_path: Path, changes: Any, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        read(READER, folder(tmp_path, **changes))


def test_missing_twice_listed_and_unlisted_pictures_are_told(tmp_path: Path) -> None:
    image = street_of()["images"][0]
    listed = [image, {**image, "id": 8}, {**image, "id": 9, "file_name": "gone.png"}]
    folder(tmp_path, annotation(1, 90, [flat(ROAD)]), {**annotation(2, 3, [flat(CAR)]), "image_id": 8}, images=listed)
    write_picture(tmp_path / "other.png")
    found = read(READER, tmp_path)
    labelled, other = found.pictures
    file = tmp_path / "_annotations.coco.json"
    assert f"{file}: a.png is listed twice; all its objects are drawn." in found.notes
    assert set(np.unique(mask_of(labelled))) == {0, 1, 2}
    assert other.image == tmp_path / "other.png"
    assert other.render is None
    assert any(re.search(r"1 pictures are not there, first gone\.png; left out", note) for note in found.notes)


def test_a_stray_annotation_is_told(tmp_path: Path) -> None:
    stray = {**annotation(4, 3, [flat(CAR)]), "image_id": 99}
    found = read(READER, folder(tmp_path, annotation(1, 90, [flat(ROAD)]), stray))
    assert "1 annotations of" in found.notes[0]
    assert "4 of picture 99; left out" in found.notes[0]


def test_a_picture_without_objects_is_background(tmp_path: Path) -> None:
    found = read(READER, folder(tmp_path, {**annotation(4, 3, [flat(CAR)]), "image_id": 99}))
    assert not mask_of(only(found)).any()
