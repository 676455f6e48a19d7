"""The spec of a foreign model from a JSON file.

The file has the fields of :class:`~edgeseg.spec.ModelSpec` as ``edgeseg.json`` shows them, or the names of
the flags; any part of them. Flags on the command line win over the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.errors import SpecError
from edgeseg.export.graphs.upsampling import UPSAMPLINGS
from edgeseg.export.specs.foreign_spec import SpecFlags, add_known, class_names
from edgeseg.files.input_file import read_text
from edgeseg.palette import parse_color
from edgeseg.spec import COLOR_ORDERS, RESIZES, TASKS, Threshold

MAX_BYTES = 1 << 20
SYNONYMS = {"conf": "threshold"}
SIZES = ("height", "width")
NUMBERS = {"mean", "std", "thresholds"}
CHOICES = {"task": TASKS, "color_order": COLOR_ORDERS, "resize": RESIZES, "upsample": tuple(UPSAMPLINGS)}
KNOWN = frozenset({field.name for field in dataclasses.fields(SpecFlags)} | {*SIZES, *SYNONYMS})


def merge_flags(flags: SpecFlags, path: Path | None) -> SpecFlags:
    """Complete what was given by what ``path`` says.

    Raises:
        SpecError: the file is missing, no JSON object, or a key or value is unknown.
    """
    if path is None:
        return flags
    return add_known(flags, flags_of_json(_json(path), path))


def flags_of_json(values: Mapping[str, Any], path: Path) -> SpecFlags:
    """Read parsed JSON as flags; null is as good as left out.

    Raises:
        SpecError: see :func:`merge_flags`.
    """
    named = {_known(key, path): value for key, value in values.items() if value is not None}
    fields = {name: _value(name, value, path) for name, value in named.items() if name not in SIZES}
    if any(name in named for name in SIZES):
        fields["imgsz"] = _size(named, path)
    return SpecFlags(**fields)


def _json(path: Path) -> Mapping[str, Any]:
    text = read_text(path, SpecError, MAX_BYTES)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"`spec={str(path)!r}` is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise SpecError(f"`spec={str(path)!r}` must hold one JSON object; found {type(values).__name__}.")
    return values


def _known(key: str, path: Path) -> str:
    """A key as a field of SpecFlags, hyphens allowed."""
    name = key.strip().lstrip("-").replace("-", "_")
    if name not in KNOWN:
        close = difflib.get_close_matches(name, KNOWN, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise SpecError(
            f"`spec={str(path)!r}` has the unknown key {key!r}; {hint}Known are {', '.join(sorted(KNOWN))}."
        )
    return SYNONYMS.get(name, name)


def _size(named: Mapping[str, Any], path: Path) -> tuple[int, int]:
    """``height`` and ``width``, which go together and not with ``imgsz``."""
    if "imgsz" in named or not all(name in named for name in SIZES):
        raise SpecError(f"`spec={str(path)!r}` gives the size as height and width, or as imgsz; found {sorted(named)}.")
    return _pair([named["height"], named["width"]], path)


def _value(name: str, value: Any, path: Path) -> Any:
    """A JSON value in the type of its flag."""
    if name == "classes":
        return class_names(value) if isinstance(value, str) else _names(value, path)
    if name == "imgsz":
        return _pair(value if isinstance(value, list) else [value, value], path)
    if name == "palette":
        return tuple(_color(one, path) for one in _items(name, value, path))
    if name in NUMBERS:
        return tuple(_number(name, one, path) for one in _items(name, value, path))
    if name in ("threshold", "ignore_index", "value_range"):
        return _whole_or_float(name, value, path)
    if not isinstance(value, str) or value not in CHOICES.get(name, (value,)):
        raise _wrong(name, value, " or ".join(CHOICES.get(name, ("a name",))), path)
    return value


def _names(value: Any, path: Path) -> tuple[str, ...]:
    names = tuple(_items("classes", value, path))
    if not all(isinstance(name, str) for name in names):
        raise _wrong("classes", value, "a list of names", path)
    return names


def _pair(value: list[Any], path: Path) -> tuple[int, int]:
    sizes = value * 2 if len(value) == 1 else value
    if len(sizes) != 2 or not all(type(size) is int for size in sizes):
        raise _wrong("imgsz", value, "height and width in whole pixels", path)
    return sizes[0], sizes[1]


def _whole_or_float(name: str, value: Any, path: Path) -> Threshold:
    if name == "threshold" and isinstance(value, dict):
        return {key: _number(name, one, path) for key, one in value.items()}
    number = _number(name, value, path)
    if name == "threshold":
        return number
    if number != int(number) or (name == "value_range" and number not in (1, 255)):
        raise _wrong(name, value, "1 or 255" if name == "value_range" else "a whole number", path)
    return int(number)


def _items(name: str, value: Any, path: Path) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(name, value, "a list", path)
    return value


def _number(name: str, value: Any, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, value, "a number, or a list of them", path)
    return float(value)


def _color(value: Any, path: Path) -> tuple[int, int, int]:
    try:
        red, green, blue = parse_color(value) if isinstance(value, str) else value
    except (TypeError, ValueError):
        raise _wrong("palette", value, "[red, green, blue] or #rrggbb for every class", path) from None
    return red, green, blue


def _wrong(name: str, value: Any, wanted: str, path: Path) -> SpecError:
    return SpecError(f"`spec={str(path)!r}`: {name} must be {wanted}; found {value!r}.")
