"""LabelMe: a JSON file a picture, with polygons, rectangles, circles and masks.

The JSON files lie beside their pictures or in a folder of their own; ``imagePath`` counts from theirs, with slashes or
backslashes. A picture that is not there is taken out of ``imageData``. Class names are those of a ``labels.txt``,
as LabelMe itself reads it, else all that occur, sorted. What is drawn later lies above, as in LabelMe. Lines
and points have no area and are left out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.datasets.formats.draft import ClassTable, Draft, list_unlabelled, sum_up
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.shapes.annotation_file import list_of, peek, read_json_object, read_points, read_size
from edgeseg.datasets.shapes.objects import Bitmap, Ellipse, check_points
from edgeseg.datasets.shapes.picture_files import PictureFiles, name_inside, split_inside
from edgeseg.datasets.shapes.stored_mask import decode_png
from edgeseg.errors import DataError
from edgeseg.files.input_file import read_text

MOST_BYTES = 1 << 28
_BEGINS = r'^\s*\{.{0,4000}?"shapes"\s*:\s*\['
_NO_AREA = {"line", "linestrip", "point", "points"}
_NAMES = "labels.txt"


def recognise(path: Path) -> bool:
    """Tell whether a folder, or one below it, holds JSON files of LabelMe."""
    if not path.is_dir():
        return False
    found = (next(path.glob(pattern), None) for pattern in ("*.json", "*/*.json", "*/*/*.json"))
    return any(file is not None and peek(file, _BEGINS) for file in found)


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read all JSON files of a folder and of those below it.

    Raises:
        DataError: a file that is no JSON, or no picture.
    """
    pictures = PictureFiles(path)
    files = {file: read_json_object(file, MOST_BYTES) for file in sorted(path.rglob("*.json")) if peek(file, _BEGINS)}
    classes = ClassTable.build(_find_names(path, files), options, path)
    notes, said = list(classes.notes), list[str]()
    taken: dict[Path | bytes, Path] = {}
    made: list[LabelledPicture] = []
    for file, values in files.items():
        image = _find_image(file, values, pictures)
        if image is None:
            notes.append(f"{file}: its picture {values.get('imagePath')!r} is not in {path}; left out.")
        elif image in taken:
            notes.append(f"{file} labels the picture of {taken[image].name} again; left out.")
        else:
            taken[image] = file
            made.append(_read_picture(file, values, image, path, classes, said))
    if not made:
        raise DataError(f"None of the pictures of {len(files)} JSON files is in {path}. Put them beside their files.")
    made += list_unlabelled(made, pictures)
    return LabelledSet(path, READER.title, classes.names, tuple(made), notes=(*notes, *sum_up(said)))


def _find_names(root: Path, files: Mapping[Path, Mapping[str, Any]]) -> Iterable[str]:
    """Class names: those of ``labels.txt`` first, then all others that occur."""
    listed = read_text(root / _NAMES).split("\n") if (root / _NAMES).is_file() else ()
    used = {
        shape["label"].strip()
        for file, values in files.items()
        for shape in list_of(values, "shapes", file)
        if isinstance(shape.get("label"), str)
        and shape["label"].strip()
        and str(shape.get("shape_type")) not in _NO_AREA
    }
    return [*filter(None, map(str.strip, listed)), *sorted(used)]


def _find_image(file: Path, values: Mapping[str, Any], pictures: PictureFiles) -> Path | bytes | None:
    said = values.get("imagePath")
    if isinstance(said, str) and (found := pictures.find(said, (file.parent, pictures.root))):
        return found
    beside = [image for image in pictures.by_stem.get(file.stem, []) if image.parent == file.parent]
    if len(beside) == 1:
        return beside[0]
    data = values.get("imageData")
    if not isinstance(data, str) or not data:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise DataError(f"{file}: imageData is no base64. Save it again in LabelMe.") from None


def _read_picture(
    file: Path, values: Mapping[str, Any], image: Path | bytes, root: Path, classes: ClassTable, said: list[str]
) -> LabelledPicture:
    draft = Draft(str(file), read_size(values.get("imageHeight"), values.get("imageWidth")), classes, said)
    for number, shape in enumerate(list_of(values, "shapes", file), 1):
        _read_shape(f"shape {number}", shape, draft)
    place = image if isinstance(image, Path) else file
    return draft.finish(image, split_inside(place, root), (file,), name=name_inside(place, root))


def _read_shape(what: str, shape: Mapping[str, Any], draft: Draft) -> None:
    kind, name = str(shape.get("shape_type") or "polygon"), shape.get("label")
    if kind in _NO_AREA:
        draft.say(what, f"({name}) is a {kind} and has no area; left out")
        return
    if not isinstance(name, str) or not name.strip():
        draft.refuse(what, "has no label")
        return
    what = f"{what} ({name.strip()})"
    label = draft.label_of(what, name.strip())
    if label is None:
        return
    try:
        if kind in ("polygon", "oriented_rectangle"):
            draft.add_outline(what, label, [shape.get("points")])
        elif kind == "rectangle":
            (left, top), (right, bottom) = _two_points(shape, draft)
            draft.add_outline(what, label, [[left, top, right, top, right, bottom, left, bottom]])
        elif kind == "circle":
            (x, y), (edge_x, edge_y) = _two_points(shape, draft)
            radius = float(np.hypot(edge_x - x, edge_y - y))
            if radius > 0:
                draft.add(label, Ellipse((x, y), (radius, radius)))
        elif kind == "mask":
            (left, top), _ = _two_points(shape, draft)
            draft.add(label, Bitmap(int(top), int(left), decode_png(shape.get("mask")) > 0))
        else:
            draft.refuse(what, f"is of the kind {kind!r}, which is not known")
    except DataError as fault:
        draft.refuse(what, str(fault))


def _two_points(shape: Mapping[str, Any], draft: Draft) -> list[list[float]]:
    points = read_points(shape.get("points"))
    check_points(points, draft.size)
    if len(points) != 2:
        raise DataError(f"has {len(points)} points; two are needed")
    return points.tolist()  # type: ignore[no-any-return]


READER = Reader("labelme", "LabelMe", recognise, read)
