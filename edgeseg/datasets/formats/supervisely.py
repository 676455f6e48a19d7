"""Supervisely: ``meta.json`` with the classes, and data sets with ``img/`` and ``ann/NAME.jpg.json``.

A folder below that is called train, val or test is that split. Outlines name pixels, as OpenCV draws them. What is
listed later lies above.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.datasets.formats.draft import ClassTable, Draft, about_missing, list_unlabelled, sum_up
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.shapes.annotation_file import list_of, peek, read_json_object, read_number, read_points, read_size
from edgeseg.datasets.shapes.objects import Bitmap
from edgeseg.datasets.shapes.picture_files import PictureFiles, name_inside, split_inside
from edgeseg.datasets.shapes.stored_mask import decode_png
from edgeseg.errors import DataError

_META = "meta.json"
_NO_AREA = {"point", "line", "graph", "cuboid", "cuboid_3d", "any"}
MOST_BYTES = 1 << 28


def recognise(path: Path) -> bool:
    """Tell whether a folder is a project of Supervisely."""
    return path.is_dir() and peek(path / _META, '"classes"') and next(path.glob("*/ann/*.json"), None) is not None


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the pictures and objects of all data sets of a project.

    Raises:
        DataError: a file that cannot be read, no class, or no picture.
    """
    meta = path / _META
    listed = list_of(read_json_object(meta), "classes", meta)
    names = [each["title"].strip() for each in listed if isinstance(each.get("title"), str)]
    classes = ClassTable.build(names, options, meta)
    pictures, notes, missing = PictureFiles(path), list(classes.notes), []
    said: list[str] = []
    made: list[LabelledPicture] = []
    for file in sorted(path.glob("**/ann/*.json")):
        image = pictures.find(file.stem, (file.parent.parent / "img",))
        if image is None:
            missing.append(file.stem)
            continue
        values = read_json_object(file, MOST_BYTES)
        sizes = values.get("size")
        size = read_size(sizes.get("height"), sizes.get("width")) if isinstance(sizes, dict) else None
        draft = Draft(str(file), size, classes, said)
        for number, each in enumerate(list_of(values, "objects", file), 1):
            _read_object(f"object {number}", each, draft)
        name = name_inside(image, path).replace("/img/", "/")
        made.append(draft.finish(image, split_inside(image, path), (file,), name=name))
    if not made:
        raise DataError(f"None of the pictures of {path} is there, in img/ beside ann/. Export with images.")
    notes += about_missing(missing, path)
    return LabelledSet(
        path, READER.title, classes.names, (*made, *list_unlabelled(made, pictures)), notes=(*notes, *sum_up(said))
    )


def _read_object(what: str, each: Mapping[str, Any], draft: Draft) -> None:
    kind, name = str(each.get("geometryType")), str(each.get("classTitle", "")).strip()
    what = f"{what} ({name})"
    if kind in _NO_AREA:
        draft.say(what, f"is a {kind} and has no area; left out")
        return
    label = draft.label_of(what, name)
    if label is None:
        return
    try:
        if kind == "bitmap":
            draft.add(label, _read_bitmap(each))
        elif kind in ("polygon", "rectangle"):
            points = each.get("points")
            points = points if isinstance(points, dict) else {}
            exterior, holes = points.get("exterior"), points.get("interior")
            holes = holes if isinstance(holes, list) else []
            if kind == "rectangle":
                (left, top), (right, bottom) = read_points(exterior)[[0, -1]].tolist()
                exterior = [[left, top], [right, top], [right, bottom], [left, bottom]]
            draft.add_outline(what, label, [exterior], holes)
        else:
            draft.refuse(what, f"is of the kind {kind!r}, which is not known")
    except (DataError, IndexError) as fault:
        draft.refuse(what, str(fault))


def _read_bitmap(each: Mapping[str, Any]) -> Bitmap:
    bitmap = each.get("bitmap")
    origin = bitmap.get("origin") if isinstance(bitmap, dict) else None
    numbers = [read_number(value) for value in origin] if isinstance(origin, list) else []
    if bitmap is None or len(numbers) != 2 or None in numbers:
        raise DataError("has a bitmap without an origin of x and y")
    left, top = (int(value) for value in numbers if value is not None)
    return Bitmap(top, left, decode_png(bitmap.get("data"), compressed=True) > 0)


READER = Reader("supervisely", "Supervisely", recognise, read)
