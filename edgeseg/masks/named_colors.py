"""Colours by the names of classes, as a person gives them, in the words of ``mask_values``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.errors import DataError
from edgeseg.masks.mask_values import IGNORE, GivenValues, split_values

VOID_NAMES = frozenset(
    {"void", "ignore", "ignored", "unlabeled", "unlabelled", "unknown", "dont care", "don't care", "dontcare"}
)
"""What data calls pixels that are not scored."""
_EXAMPLE = "such as road=128,64,128 or road=#804080"


def is_void(name: str) -> bool:
    """Tell whether a name means that pixels are not scored.

    >>> is_void("Void"), is_void("road")
    (True, False)
    """
    return name.strip().lower().replace("_", " ") in VOID_NAMES


def join_colors(
    mask_values: GivenValues | None, colors: Mapping[str, str | Sequence[int]] | None
) -> GivenValues | None:
    """Add colours by class name to what mask values mean.

    Raises:
        DataError: no colour, or one twice.

    >>> join_colors(None, {"road": (128, 64, 128), "void": "#000000"})
    {'#804080': 'road', '#000000': 'ignore'}
    """
    if not colors:
        return mask_values
    joined: dict[Any, Any] = {} if mask_values is None else dict(split_values(mask_values))
    for name, color in colors.items():
        key = write_color(color, name)
        meaning = IGNORE if is_void(name) else name
        if joined.setdefault(key, meaning) != meaning:
            raise DataError(f"`colors` gives {key} to {joined[key]!r} and to {meaning!r}.")
    return joined


def write_color(color: str | Sequence[int], name: str) -> str:
    """Write a colour as ``#rrggbb``.

    Raises:
        DataError: it is none.

    >>> write_color("128,64,128", "road")
    '#804080'
    """
    parts: Sequence[Any] = color
    if isinstance(color, str):
        text = color.strip()
        if len(text) == 7 and text[0] == "#":
            parts = [_number(text[at : at + 2], 16) for at in (1, 3, 5)]
        else:
            parts = [_number(part, 10) for part in text.replace(";", ",").split(",")]
    if len(parts) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in parts):
        raise DataError(f"`colors` gives each class three numbers of 0..255, {_EXAMPLE}; found {color!r} for {name!r}.")
    return "#{:02x}{:02x}{:02x}".format(*parts)


def _number(text: str, base: int) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None
