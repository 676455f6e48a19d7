"""Files that name the classes of masks, and the colour or value that each is drawn with."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeseg.errors import DataError
from edgeseg.files.data_layout import read_described
from edgeseg.files.input_file import read_text
from edgeseg.masks.mask_values import GivenValues
from edgeseg.masks.named_colors import is_void

NAME_FILES = (
    "classes.txt",
    "class_names.txt",
    "codes.txt",
    "labels.txt",
    "label_names.txt",
    "classes.names",
)
MAP_FILES = ("class_dict.csv", "class_dict_seg.csv", "_classes.csv", "classes.csv", "labelmap.txt", "label_colors.txt")
_COLOR_LINE = re.compile(r"^(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(.+)$")
_NOT_A_CLASS = {"__ignore__"}


@dataclass(frozen=True)
class ClassMap:
    """What files beside the masks say of the classes.

    Attributes:
        classes: names in label order; empty where none are named.
        colors: the name of what is drawn with each colour 0xRRGGBB; void is among them.
        numbers: the name of what is drawn with each value.
        values: what mask values mean in the words of ``mask_values``, where a data.yaml says so.
        void: the value that means void, where a data.yaml says so.
        files: that this was read from.
    """

    classes: tuple[str, ...] = ()
    colors: dict[int, str] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    values: GivenValues | None = None
    void: int | None = None
    files: tuple[Path, ...] = ()


def read_class_map(folders: Sequence[Path]) -> ClassMap:
    """Read what the files of some folders say of the classes; the first file of a kind counts.

    Raises:
        DataError: such a file that cannot be read, or says something twice.
    """
    names, mapped = _first(folders, NAME_FILES), _first(folders, MAP_FILES)
    described = next((folder / "data.yaml" for folder in folders if (folder / "data.yaml").is_file()), None)
    colors, numbers = _read_map(mapped) if mapped else ({}, {})
    classes: tuple[str, ...] = ()
    values, void = None, None
    if described is not None:
        found = read_described(described)
        classes, values, void = (
            found.classes,
            found.mask_values or None,
            found.ignore_index if found.void_said else None,
        )
    if not classes and names is not None:
        lines = [line.strip() for line in read_text(names).split("\n")]
        classes = tuple(_clean(line) for line in lines if line and line not in _NOT_A_CLASS)
    if not classes:
        drawn = [name for _, name in sorted(numbers.items())] or list(colors.values())
        classes = tuple(name for name in dict.fromkeys(drawn) if not is_void(name))
    files = tuple(path for path in (described, names, mapped) if path is not None)
    return ClassMap(classes, colors, numbers, values, void, files)


def _first(folders: Iterable[Path], names: Sequence[str]) -> Path | None:
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def _clean(name: str) -> str:
    """LabelMe calls the background ``_background_``."""
    return name.strip("_") if name == "_background_" else name


def _read_map(path: Path) -> tuple[dict[int, str], dict[int, str]]:
    """Colours, or values, and their names."""
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    if path.suffix == ".csv":
        return _read_csv(path, lines)
    if path.name == "labelmap.txt":
        return _unique(path, (_labelmap_line(path, line) for line in lines if not line.startswith("#"))), {}
    return _unique(path, (_color_line(path, line) for line in lines)), {}


def _read_csv(path: Path, lines: list[str]) -> tuple[dict[int, str], dict[int, str]]:
    """``name,r,g,b`` as Kaggle's CamVid has it, or ``Pixel Value, Class`` as Roboflow writes it."""
    head = lines[0] if lines else ""
    separator = max(",;\t", key=head.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    heads = [cell.lower().replace(" ", "_") for cell in rows[0]] if rows else []
    at_name = next((heads.index(name) for name in ("name", "class", "label", "class_name") if name in heads), None)
    channels = [heads.index(name) for name in ("r", "g", "b") if name in heads]
    at_value = next((heads.index(name) for name in ("pixel_value", "value", "id", "index") if name in heads), None)
    if at_name is None or (len(channels) != 3 and at_value is None):
        raise DataError(
            f"{path} has the columns {', '.join(rows[0]) if rows else 'of nothing'}; name, r, g, b are read."
        )
    try:
        if len(channels) == 3:
            return _unique(
                path, ((_join([int(row[at]) for at in channels], path), row[at_name]) for row in rows[1:])
            ), {}
        return {}, _unique(path, ((int(row[at_value or 0]), row[at_name]) for row in rows[1:]))
    except (ValueError, IndexError):
        raise DataError(f"{path} has a line without a number where one belongs; name, r, g, b are read.") from None


def _labelmap_line(path: Path, line: str) -> tuple[int, str]:
    """``road:128,64,128::`` as CVAT writes it."""
    name, _, rest = line.partition(":")
    numbers = re.findall(r"\d+", rest.partition(":")[0])
    if len(numbers) != 3 or not name.strip():
        raise DataError(f"{path} has the line {line!r}; NAME:R,G,B:: is read.")
    return _join([int(number) for number in numbers], path), name.strip()


def _color_line(path: Path, line: str) -> tuple[int, str]:
    """``64 128 64  Animal`` as CamVid has it."""
    found = _COLOR_LINE.match(line.strip())
    if found is None:
        raise DataError(f"{path} has the line {line!r}; R G B NAME is read.")
    return _join([int(found[at]) for at in (1, 2, 3)], path), found[4].strip()


def _join(channels: Sequence[int], path: Path) -> int:
    if any(not 0 <= value <= 255 for value in channels):
        raise DataError(f"{path} names a colour {', '.join(map(str, channels))}; R, G and B are 0..255 each.")
    return channels[0] << 16 | channels[1] << 8 | channels[2]


def _unique(path: Path, pairs: Iterable[tuple[int, str]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for key, name in pairs:
        if found.setdefault(key, name) != name:
            raise DataError(f"{path} gives one colour or value to {found[key]!r} and to {name!r}. Correct one of them.")
    return found
