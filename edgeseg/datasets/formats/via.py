"""VGG Image Annotator (VIA 2): one JSON file with the regions of all pictures, which lie beside it.

Read are the export (``via_region_data.json``) and the project (``_via_img_metadata``). The class is the attribute of
a region that all have: ``class``, ``label``, ``name``, ``type`` or ``category``, else the first one. VIA rounds to
whole pixels. What is listed later lies above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.datasets.formats.draft import ClassTable, Draft, about_missing, find_size, list_unlabelled
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.shapes.annotation_file import peek, read_json_object, read_number
from edgeseg.datasets.shapes.objects import Ellipse, check_points
from edgeseg.datasets.shapes.picture_files import PictureFiles, name_inside, split_inside
from edgeseg.errors import DataError

_BEGINS = r'^\s*\{\s*"(_via_settings|_via_img_metadata|[^"]+"\s*:\s*\{\s*"(filename|fileref)")'
_USUAL = ("class", "label", "name", "type", "category")
_NO_AREA = {"point", "polyline"}


def find_files(path: Path) -> list[Path]:
    """Find VIA's JSON files in a folder and in those directly below it; or the file itself that is named."""
    found = [path] if path.is_file() else [*path.glob("*.json"), *path.glob("*/*.json")][:200]
    return [file for file in sorted(found) if file.suffix == ".json" and peek(file, _BEGINS)]


def recognise(path: Path) -> bool:
    """Tell whether a folder, or a file, holds annotations of VIA."""
    return bool(find_files(path))


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the pictures and regions of all files.

    Raises:
        DataError: a file that cannot be read, regions without a class, or no picture.
    """
    root = path if path.is_dir() else path.parent
    listed = {file: list(_entries(read_json_object(file), file)) for file in find_files(path)}
    regions = [region for entries in listed.values() for _, found in entries for region in found]
    key = _find_key(regions, next(iter(listed)))
    names = {name for region in regions if (name := _name_of(region, key))}
    classes = ClassTable.build(sorted(names), options, path)
    pictures = PictureFiles(root)
    made: dict[Path, LabelledPicture] = {}
    notes, missing = [f"Classes are the attribute {key!r} of the regions.", *classes.notes], []
    said: list[str] = []
    for file, entries in listed.items():
        for name, found in entries:
            image = pictures.find(name, (file.parent, root))
            if image is None:
                missing.append(name)
            elif image in made:
                notes.append(f"{file}: {name} is listed twice; the first entry counts.")
            else:
                made[image] = _read_picture(Draft(f"{file}, {name}", None, classes, said), image, found, key).finish(
                    image, split_inside(image, root), (file,), name=name_inside(image, root)
                )
    if not made:
        raise DataError(f"None of the pictures of {next(iter(listed))} is in {root}. Put them beside it.")
    notes += about_missing(missing, root)
    return LabelledSet(
        root,
        READER.title,
        classes.names,
        (*made.values(), *list_unlabelled(made.values(), pictures)),
        notes=tuple(notes),
    )


def _entries(values: Mapping[str, Any], file: Path) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The name and the regions of each picture."""
    metadata = values.get("_via_img_metadata", values)
    if not isinstance(metadata, dict):
        raise DataError(f"{file}: _via_img_metadata must be an object. Save the project again.")
    for key, entry in metadata.items():
        name = entry.get("filename") if isinstance(entry, dict) else None
        regions = entry.get("regions") if isinstance(entry, dict) else None
        regions = list(regions.values()) if isinstance(regions, dict) else regions or []
        if not isinstance(name, str) or not isinstance(regions, list) or not all(isinstance(r, dict) for r in regions):
            raise DataError(f"{file}: the entry {key[:60]!r} has no filename, or regions that are no list.")
        yield name, regions


def _find_key(regions: list[Mapping[str, Any]], file: Path) -> str:
    """The attribute that says the class."""
    counts = Counter(key for region in regions for key in _attributes(region))
    if not counts:
        raise DataError(
            f"{file}: regions have no attribute that says a class. Add one in VIA, such as class, and export again."
        )
    everywhere = [key for key in counts if counts[key] == max(counts.values())]
    return next((key for usual in _USUAL for key in everywhere if key.lower() == usual), everywhere[0])


def _attributes(region: Mapping[str, Any]) -> Mapping[str, Any]:
    found = region.get("region_attributes")
    return found if isinstance(found, dict) else {}


def _name_of(region: Mapping[str, Any], key: str) -> str:
    """The class of a region: a text, or the one box that is checked."""
    value = _attributes(region).get(key)
    if isinstance(value, dict):
        checked = [name for name, on in value.items() if on]
        value = checked[0] if len(checked) == 1 else ""
    return value.strip() if isinstance(value, str) else ""


def _read_picture(draft: Draft, image: Path, regions: list[Mapping[str, Any]], key: str) -> Draft:
    try:
        draft.size = find_size(image, image.name)
    except DataError as fault:
        draft.wrong.append(str(fault))
    for number, region in enumerate(regions, 1):
        what, name = f"region {number}", _name_of(region, key)
        if not name:
            draft.refuse(what, f"has no {key}")
        elif (label := draft.label_of(what, name)) is not None:
            shape = region.get("shape_attributes")
            try:
                _read_shape(f"{what} ({name})", shape if isinstance(shape, dict) else {}, label, draft)
            except DataError as fault:
                draft.refuse(what, str(fault))
    return draft


def _read_shape(what: str, shape: Mapping[str, Any], label: int, draft: Draft) -> None:
    kind = str(shape.get("name"))
    if kind in _NO_AREA:
        draft.say(what, f"is a {kind} and has no area; left out")
    elif kind == "polygon":
        x, y = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
            raise DataError("has no lists of as many x as y")
        draft.add_outline(what, label, [[value for pair in zip(x, y, strict=True) for value in pair]])
    elif kind == "rect":
        left, top, width, height = _numbers(shape, "x", "y", "width", "height")
        corners = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
        draft.add_outline(what, label, [[value for corner in corners for value in corner]])
    elif kind in ("circle", "ellipse"):
        x, y = _numbers(shape, "cx", "cy")
        across, down = _numbers(shape, "r", "r") if kind == "circle" else _numbers(shape, "rx", "ry")
        check_points(np.array([[x - across, y - down], [x + across, y + down]]), draft.size)
        if across > 0 and down > 0:
            draft.add(
                label,
                Ellipse((x, y), (across, down), np.rad2deg((read_number(shape.get("theta")) or 0.0) % (2 * np.pi))),
            )
    else:
        raise DataError(f"is of the kind {kind!r}, which is not known")


def _numbers(shape: Mapping[str, Any], *names: str) -> list[float]:
    found = [read_number(shape.get(name)) for name in names]
    if None in found:
        raise DataError(f"has no number for {names[found.index(None)]}")
    return [value for value in found if value is not None]


READER = Reader("via", "VGG Image Annotator", recognise, read)
