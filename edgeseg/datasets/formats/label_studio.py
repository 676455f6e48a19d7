"""Label Studio: its JSON export, with polygons, rectangles, ellipses and brush strokes.

Pictures are found by the last part of their address, with and without the eight characters that Label Studio puts
before an uploaded file's name. Of a task with several annotations the last that was not cancelled counts. What is drawn
later lies above.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from edgeseg.datasets.formats.draft import ClassTable, Draft, about_missing, list_unlabelled
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.shapes.annotation_file import peek, read_json, read_number, read_size
from edgeseg.datasets.shapes.objects import Bitmap, Ellipse
from edgeseg.datasets.shapes.picture_files import PictureFiles, name_inside, split_inside
from edgeseg.errors import DataError

_BEGINS = r'^\s*\[\s*\{.{0,20000}?"annotations"\s*:\s*\[.*"(data|result)"\s*:'
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
_KINDS = {"polygonlabels", "rectanglelabels", "ellipselabels", "brushlabels"}
_NO_AREA = {"keypointlabels", "vectorlabels"}
MOST_PIXELS = 1 << 27


def find_files(path: Path) -> list[Path]:
    """Find exports of Label Studio in a folder; or the file itself that is named."""
    found = [path] if path.is_file() else sorted(path.glob("*.json"))[:200]
    return [file for file in found if file.suffix == ".json" and peek(file, _BEGINS)]


def recognise(path: Path) -> bool:
    """Tell whether a folder, or a file, holds an export of Label Studio."""
    return bool(find_files(path))


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the pictures and regions of all exports.

    Raises:
        DataError: a file that cannot be read, no class, or no picture.
    """
    root = path if path.is_dir() else path.parent
    tasks = [(file, *task) for file in find_files(path) for task in _read_tasks(file)]
    names = {name for _, _, _, regions in tasks for region in regions for name in _names_of(region)}
    classes = ClassTable.build(sorted(names), options, path)
    pictures, notes, missing = PictureFiles(root), list(classes.notes), []
    said: list[str] = []
    made: dict[Path, LabelledPicture] = {}
    for file, number, address, regions in tasks:
        image = _find_image(address, pictures)
        if image is None:
            missing.append(address)
        elif image in made:
            notes.append(f"{file}: {image.name} is in two tasks; the first counts.")
        else:
            draft = Draft(f"{file}, task {number}", _size_of(regions), classes, said)
            for at, region in enumerate(regions, 1):
                _read_region(f"region {at}", region, draft)
            made[image] = draft.finish(image, split_inside(image, root), (file,), name=name_inside(image, root))
    if not made:
        raise DataError(f"None of the pictures of {path} is in {root}. Copy them there; an export has addresses alone.")
    notes += about_missing(missing, root)
    return LabelledSet(
        root,
        READER.title,
        classes.names,
        (*made.values(), *list_unlabelled(made.values(), pictures)),
        notes=tuple(notes),
    )


def _read_tasks(file: Path) -> Iterator[tuple[Any, str, list[Mapping[str, Any]]]]:
    """Number, address and regions of each task that somebody has labelled."""
    tasks = read_json(file)
    for task in tasks if isinstance(tasks, list) else ():
        data = task.get("data") if isinstance(task, dict) else None
        if not isinstance(data, dict):
            raise DataError(f"{file}: a task has no data. Export as JSON, not as JSON-MIN.")
        address = next((value for value in data.values() if isinstance(value, str)), "")
        done = [
            each for each in task.get("annotations") or () if isinstance(each, dict) and not each.get("was_cancelled")
        ]
        result = done[-1].get("result") if done else None
        if isinstance(result, list):
            yield task.get("id"), address, [region for region in result if isinstance(region, dict)]


def _names_of(region: Mapping[str, Any]) -> list[str]:
    value, kind = region.get("value"), str(region.get("type"))
    names = value.get(kind) if isinstance(value, dict) and kind in _KINDS else None
    return [name.strip() for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _size_of(regions: list[Mapping[str, Any]]) -> tuple[int, int] | None:
    found = (read_size(region.get("original_height"), region.get("original_width")) for region in regions)
    return next((size for size in found if size is not None), None)


def _find_image(address: str, pictures: PictureFiles) -> Path | None:
    name = unquote(address.rsplit("?d=", maxsplit=1)[-1].split("?", maxsplit=1)[0]).rpartition("/")[2]
    starts = (pictures.root, pictures.root / "images")
    return pictures.find(name, starts) or pictures.find(_UPLOADED.sub("", name), starts)


def _read_region(what: str, region: Mapping[str, Any], draft: Draft) -> None:
    kind, value = str(region.get("type")), region.get("value")
    if kind in _NO_AREA:
        draft.say(what, "has no area; left out")
    if kind not in _KINDS or not isinstance(value, dict):
        return
    names = _names_of(region)
    if len(names) != 1:
        draft.refuse(what, f"has {len(names)} classes; a pixel has one")
        return
    what = f"{what} ({names[0]})"
    label = draft.label_of(what, names[0])
    if label is None or draft.size is None:
        return
    try:
        _READ[kind](what, value, label, draft, draft.size)
    except DataError as fault:
        draft.refuse(what, str(fault))


def _read_polygon(what: str, value: Mapping[str, Any], label: int, draft: Draft, size: tuple[int, int]) -> None:
    try:
        points = np.asarray(value.get("points"), np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise DataError("has points that are no list of pairs") from None
    draft.add_outline(what, label, [points / 100 * size[::-1]])


def _read_rectangle(what: str, value: Mapping[str, Any], label: int, draft: Draft, size: tuple[int, int]) -> None:
    x, y, width, height = _shares(value, size, "x", "y", "width", "height")
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    angle = np.deg2rad(read_number(value.get("rotation")) or 0.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    draft.add_outline(what, label, [corners @ turn + [x, y]])


def _read_ellipse(what: str, value: Mapping[str, Any], label: int, draft: Draft, size: tuple[int, int]) -> None:
    x, y, across, down = _shares(value, size, "x", "y", "radiusX", "radiusY")
    if across > 0 and down > 0:
        draft.add(label, Ellipse((x, y), (across, down), read_number(value.get("rotation")) or 0.0))


def _read_brush(what: str, value: Mapping[str, Any], label: int, draft: Draft, size: tuple[int, int]) -> None:
    draft.add(label, Bitmap(0, 0, decode_brush(value.get("rle"), *size)))


_READ = {
    "polygonlabels": _read_polygon,
    "rectanglelabels": _read_rectangle,
    "ellipselabels": _read_ellipse,
    "brushlabels": _read_brush,
}


def _shares(value: Mapping[str, Any], size: tuple[int, int], *names: str) -> list[float]:
    """Numbers in pixels; the file has them in percent of width and height, in turns."""
    found = [read_number(value.get(name)) for name in names]
    if None in found or any(abs(number) > 1000 for number in found if number is not None):
        raise DataError(f"has no sensible numbers for {', '.join(names)}")
    return [number / 100 * size[1 - at % 2] for at, number in enumerate(found) if number is not None]


def decode_brush(code: Any, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Decode a brush region: a bit stream of runs of an RGBA picture, whose alpha is the mask (``@thi.ng/rle-pack``).

    Args:
        code: bytes as a list of 0..255.
        height: of the picture.
        width: of the picture.

    Returns:
        HW bool.

    Raises:
        DataError: no such stream, or one of another size; without a subject.
    """
    if not isinstance(code, list) or not all(type(byte) is int and 0 <= byte <= 255 for byte in code):
        raise DataError("has a brush region that is no list of bytes")
    bits = np.unpackbits(np.array(code, np.uint8))
    powers = 1 << np.arange(32, dtype=np.int64)[::-1]
    at = 0

    def take(count: int) -> int:
        nonlocal at
        if at + count > len(bits):
            raise DataError("has a brush region that ends too early")
        at += count
        return int(bits[at - count : at] @ powers[32 - count :])

    total = take(32)
    if total != height * width * 4 or total > MOST_PIXELS:
        raise DataError(f"has a brush region of {total // 4} pixels in a picture of {width}x{height}")
    word, lengths = take(5) + 1, [take(4) + 1 for _ in range(4)]
    values, done = np.zeros(total, np.uint8), 0
    while done < total:
        repeated = take(1)
        end = done + 1 + take(lengths[take(2)])
        if end > total:
            raise DataError("has a brush region that is longer than its picture")
        if repeated:
            values[done:end] = take(word) & 255
        else:
            values[done:end] = [take(word) & 255 for _ in range(end - done)]
        done = end
    return values.reshape(height, width, 4)[..., 3] > 0


READER = Reader("label-studio", "Label Studio", recognise, read)
