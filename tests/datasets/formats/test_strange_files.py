"""Whatever stands in a file of annotations: it is read, or refused in a sentence; nothing else comes out."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import test_coco
import test_cvat
import test_labelme
import test_tools
import test_yolo
from drawn_labels import CAR, HEIGHT, ROAD, STRAY, WIDTH

from edgeseg.datasets.formats import coco, cvat, label_studio, labelme, supervisely, via, yolo
from edgeseg.datasets.formats.labelled_set import Reader, ReadOptions
from edgeseg.errors import EdgesegError

STRANGE = (
    None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**30, 1 << 40, -5.5, "", "x", "../../x", "a\0b", "9" * 400,
    [], [[]], [None], ["a"], [1, 2, 3], [[1, 2], [3]], [[["x"]]], [{}], {}, {"a": 1},
)  # fmt: skip
TRIES = 80


def coco_set(path: Path) -> Path:
    code = {"size": [HEIGHT, WIDTH], "counts": [5, HEIGHT * WIDTH - 5]}
    objects = [
        test_coco.annotation(1, 3, [test_coco.flat(CAR)], bbox=[1, 2, 3, 4], area=5),
        test_coco.annotation(2, 90, code),
        test_coco.annotation(3, 3, [], bbox=[1, 2, 3, 4]),
    ]
    return test_coco.folder(path, *objects) / "_annotations.coco.json"


def labelme_set(path: Path) -> Path:
    kinds = (("rectangle", {}), ("circle", {}), ("mask", {"mask": "aa"}))
    shapes = [test_labelme.shape("road", [[1, 2], [30, 40]], kind, **others) for kind, others in kinds]
    return test_labelme.folder(path, test_labelme.shape("car", CAR), *shapes) / "a.json"


def supervisely_set(path: Path) -> Path:
    objects = [
        test_tools.supervisely_polygon("car", CAR, [STRAY]),
        {"classTitle": "car", "geometryType": "rectangle", "points": {"exterior": [[1, 2], [3, 4]], "interior": []}},
        {"classTitle": "road", "geometryType": "bitmap", "bitmap": {"data": "aa", "origin": [1, 2]}},
    ]
    return test_tools.supervisely_folder(path, objects) / "train" / "ann" / "a é.png.json"


def via_set(path: Path) -> Path:
    ellipse = {"name": "ellipse", "cx": 5, "cy": 6, "rx": 3, "ry": 4, "theta": 1}
    regions = [
        test_tools.via_region("car", CAR),
        {"shape_attributes": ellipse, "region_attributes": {"class": {"car": True}}},
    ]
    return test_tools.via_folder(path, regions, project=True) / "via_region_data.json"


def studio_set(path: Path) -> Path:
    regions = [
        test_tools.studio_polygon("car", CAR),
        test_tools.studio_region("road", "ellipselabels", x=1, y=2, radiusX=3, radiusY=4, rotation=5),
        test_tools.studio_region("road", "brushlabels", rle=[0, 0, 48, 0, 1, 2]),
    ]
    return test_tools.studio_folder(path, regions) / "project-1.json"


def read_all(reader: Reader, root: Path) -> None:
    """Read a set and render every mask."""
    if not reader.recognise(root):
        return
    for picture in reader.read(root, ReadOptions()).pictures:
        if picture.render is not None and not picture.wrong:
            picture.render()


def places(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested lists and objects; of long lists the first four."""
    if path:
        yield path
    if isinstance(values, dict):
        for key in values:
            yield from places(values[key], (*path, key))
    elif isinstance(values, list):
        for at in range(min(len(values), 4)):
            yield from places(values[at], (*path, at))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("reader", "make", "above"),
    [
        (coco.READER, coco_set, 0),
        (labelme.READER, labelme_set, 0),
        (supervisely.READER, supervisely_set, 2),
        (via.READER, via_set, 0),
        (label_studio.READER, studio_set, 0),
    ],
    ids=["coco", "labelme", "supervisely", "via", "label studio"],
)
def test_any_value_anywhere_in_json(tmp_path: Path, reader: Reader, make: Callable[[Path], Path], above: int) -> None:
    if reader is coco.READER:
        pytest.importorskip("pycocotools")
    file = make(tmp_path)
    values = json.loads(file.read_text(encoding="utf-8-sig"))
    tries = [(place, strange) for place in places(values) for strange in STRANGE]
    for place, strange in random.Random(0).sample(tries, TRIES):
        changed = copy.deepcopy(values)
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = strange
        file.write_text(json.dumps(changed), encoding="utf-8")
        try:
            read_all(reader, file.parents[above])
        except EdgesegError:
            pass
        except Exception as error:
            pytest.fail(f"{place} = {strange!r}: {error!r}")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", ["cvat", "yolo"])
def test_any_damage_in_text(tmp_path: Path, kind: str) -> None:
    if kind == "cvat":
        shapes = test_cvat.STREET + '<mask label="car" rle="2,3,4" left="2" top="4" width="3" height="3"/>'
        reader, root = cvat.READER, test_cvat.folder(tmp_path, shapes)
        file = root / "annotations.xml"
    else:
        pytest.importorskip("yaml")
        reader, root = yolo.READER, test_yolo.folder(tmp_path, test_yolo.line(0, ROAD) + "\n0 .5 .5 .2 .2")
        file = root / "labels" / "train" / "a b é.txt"
    text = file.read_text(encoding="utf-8")
    chance = random.Random(1)
    for _ in range(TRIES):
        at = chance.randrange(len(text))
        put = chance.choice(("", " ", "-", "9" * 30, "nan", "1e300", "é", "\n", ",", ";", '"', "<", ".", "\0"))
        file.write_text(text[:at] + put + text[at + chance.randrange(6) :], encoding="utf-8")
        try:
            read_all(reader, root)
        except EdgesegError:
            pass
        except Exception as error:
            pytest.fail(f"{put!r} at {at}: {error!r}")
