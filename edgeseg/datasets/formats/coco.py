"""COCO: objects as polygons or run lengths in one JSON file, the pictures in folders beside it.

Found are ``_annotations.coco.json`` in the folder or in those of its splits (Roboflow), ``annotations/*.json`` with
pictures in a folder of the split's name (``train2017/``, ``images/train/``) or in ``images/``, or any JSON file of
this kind that lies alone in a folder; or that file itself is named.

Polygons are drawn by ``pycocotools``, as COCO's own programs draw them, unless their numbers name pixels, see
:func:`names_pixels_here`. Crowds (``iscrowd``) are drawn like other objects and below them. Of objects that overlap,
the smaller lies above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.datasets.formats.coco_file import CocoFile, find_files, open_file
from edgeseg.datasets.formats.draft import ClassTable, Draft, about_missing, list_unlabelled, sum_up
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.shapes.annotation_file import read_number
from edgeseg.datasets.shapes.objects import Bitmap, Outline, Shape, check_points
from edgeseg.datasets.shapes.outline import Patch, Points, names_pixels, trim_patch
from edgeseg.datasets.shapes.picture_files import PictureFiles, name_inside
from edgeseg.datasets.shapes.run_length import decode_coco
from edgeseg.errors import DataError

CROWD_LAYER = -1


@dataclass(frozen=True, eq=False)
class CocoOutline:
    """Polygons as the COCO API draws them (``frPyObjects``): on a grid five times as fine, between rounded corners."""

    rings: tuple[Points, ...]

    def draw(self, height: int, width: int) -> Patch:
        """Draw the pixels inside one of them."""
        masks = require("pycocotools.mask", "labels")
        for ring in self.rings:
            check_points(ring, (height, width))
        code = masks.merge(masks.frPyObjects([ring.reshape(-1).tolist() for ring in self.rings], height, width))
        mask = decode_coco({"size": [height, width], "counts": code["counts"].decode("ascii")})
        return trim_patch(Patch(0, 0, mask))


@dataclass(frozen=True, eq=False)
class CodedMask:
    """A mask in run lengths, decoded when it is drawn."""

    code: Mapping[str, Any]

    def draw(self, height: int, width: int) -> Patch:
        """Decode its pixels."""
        return Bitmap(0, 0, decode_coco(self.code)).draw(height, width)


def names_pixels_here(annotations: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether polygons name pixels, which OpenCV traced, and not points.

    They do where all coordinates are whole numbers, unless boxes and areas say otherwise: round pixels, a box is one
    wider than its polygon's extent, and an area is larger by half the outline.

    >>> square = {"segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}
    >>> [names_pixels_here([square | said]) for said in ({"bbox": [2, 2, 5, 5]}, {"bbox": [2, 2, 4, 4], "area": 16})]
    [True, False]
    """
    pixels = points = 0
    for annotation in annotations:
        for values in annotation["segmentation"] if isinstance(annotation.get("segmentation"), list) else ():
            try:
                ring = np.asarray(values, np.float64).reshape(-1, 2)
            except (TypeError, ValueError):
                continue
            if not names_pixels([ring]):
                return False
            if len(annotation["segmentation"]) == 1 and len(ring) > 2:
                said = _said_of(ring, annotation.get("bbox"), annotation.get("area"))
                pixels, points = pixels + (said is True), points + (said is False)
    return pixels >= points


def _said_of(ring: Points, box: Any, area: Any) -> bool | None:
    """Whether a box or an area is that of pixels (True) or of points (False); None where they say nothing."""
    width = float(np.ptp(ring[:, 0]))
    wide = box[2] - width if isinstance(box, list) and len(box) == 4 and isinstance(box[2], int | float) else None
    if wide is not None and abs(wide - 1) < 0.1:
        return True
    x, y = ring[:, 0], ring[:, 1]
    inside = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    steps = np.abs(np.roll(ring, -1, 0) - ring).astype(np.int64)
    around = inside + float(np.gcd(steps[:, 0], steps[:, 1]).sum()) / 2 + 1  # Pick's theorem
    if isinstance(area, int | float) and abs(area - around) < abs(area - inside):
        return True
    return None if wide is None and not isinstance(area, int | float) else False


def recognise(path: Path) -> bool:
    """Tell whether a folder, or a file, holds annotations in COCO's JSON."""
    return bool(find_files(path))


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the pictures and objects of all annotation files.

    Raises:
        DataError: a file that cannot be read, boxes instead of outlines, a panoptic file, or no picture.
    """
    found = find_files(path)
    root = path if path.is_dir() else found[0].root
    files = [open_file(place) for place in found]
    classes = ClassTable.build((name for file in files for name in file.categories.values()), options, files[0].path)
    pictures = PictureFiles(root)
    said: list[str] = []
    made: list[LabelledPicture] = []
    notes = list(classes.notes)
    for file in files:
        made += _read_file(file, classes, pictures, notes, said)
    if not made:
        raise DataError(f"None of the pictures of {files[0].path} is in {root}. Put them there.")
    made += list_unlabelled(made, pictures)
    return LabelledSet(root, READER.title, classes.names, tuple(made), notes=(*notes, *sum_up(said)))


def _read_file(
    file: CocoFile, classes: ClassTable, pictures: PictureFiles, notes: list[str], said: list[str]
) -> list[LabelledPicture]:
    notes += file.notes
    pixels = names_pixels_here(file.annotations)
    entries, objects = _group(file, notes)
    made, missing = [], []
    for listed, entry in entries.items():
        image = pictures.find(listed, file.starts)
        if image is None:
            missing.append(listed)
            continue
        draft = Draft(f"{file.path}, {listed}", entry.size, classes, said)
        said += entry.wrong
        for annotation in objects.get(listed, ()):
            _read_object(annotation, file, draft, pixels)
        name = name_inside(image, pictures.root)
        made.append(draft.finish(image, file.split, (file.path,), name=name, smaller_above=True))
    notes += about_missing(missing, file.path)
    return made


def _group(file: CocoFile, notes: list[str]) -> tuple[Mapping[str, Any], Mapping[str, list[Mapping[str, Any]]]]:
    """The pictures by their names, and the annotations of each."""
    entries, names = file.read_entries()
    objects: dict[str, list[Mapping[str, Any]]] = {}
    strays = []
    for annotation in file.annotations:
        number = annotation.get("image_id")
        name = names.get(number) if isinstance(number, int | str) else None
        if name is None:
            strays.append(annotation)
        else:
            objects.setdefault(name, []).append(annotation)
    if strays:
        notes.append(
            f"{len(strays)} annotations of {file.path} are of pictures that it does not list, first "
            f"{strays[0].get('id')!r} of picture {strays[0].get('image_id')!r}; left out."
        )
    return entries, objects


def _read_object(annotation: Mapping[str, Any], file: CocoFile, draft: Draft, pixels: bool) -> None:
    what = f"annotation {annotation.get('id')!r}"
    number = annotation.get("category_id")
    name = file.categories.get(number) if isinstance(number, int) else None
    if name is None:
        draft.refuse(what, f"has the category {number!r}, which has no name under categories")
        return
    label = draft.label_of(what, name)
    if label is None:
        return
    layer = CROWD_LAYER if annotation.get("iscrowd") == 1 else 0
    outline = annotation.get("segmentation")
    if isinstance(outline, dict):
        _read_code(outline, what, label, layer, draft)
    elif isinstance(outline, list) and outline:
        rings = outline if isinstance(outline[0], list) else [outline]
        draft.add_outline(what, label, rings, layer=layer, make=_pixel_shape if pixels else CocoOutline)
    else:
        _read_box(annotation.get("bbox"), what, draft)


def _read_box(box: Any, what: str, draft: Draft) -> None:
    numbers = [read_number(value) for value in box] if isinstance(box, list) else []
    if len(numbers) != 4 or None in numbers:
        draft.refuse(what, "has neither an outline nor a box")
        return
    left, top, width, height = (number for number in numbers if number is not None)
    draft.add_box(what, left, top, left + width, top + height)


def _pixel_shape(rings: tuple[Points, ...]) -> Shape:
    return Outline(rings, (), pixels=True)


def _read_code(code: Mapping[str, Any], what: str, label: int, layer: int, draft: Draft) -> None:
    size = code.get("size")
    if draft.size is not None and size != list(draft.size):
        draft.refuse(what, f"is a mask of [height, width] {size!r}, and its picture is listed as {list(draft.size)}")
        return
    try:
        decode_coco(code)
    except DataError as fault:
        draft.refuse(what, str(fault))
        return
    draft.add(label, CodedMask(code), layer)


def find_root(path: Path) -> Path:
    """Find the folder with the pictures; an annotation file may lie in a folder beside theirs."""
    return path if path.is_dir() else find_files(path)[0].root


READER = Reader("coco", "COCO", recognise, read, find_root=find_root)
