"""Class names with their colours in a corner of a picture, never over more of it than a small share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2

from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.spec import ModelSpec

LEGEND_SHARE = 0.15
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST, _STEP = 0.35, 0.9
_LONGEST_NAME, _COLUMNS = 24, 6
_MARGIN = 3


@dataclass(frozen=True)
class _Layout:
    """Sizes in pixels."""

    scale: float
    rows: int
    row: int
    column: int
    width: int
    height: int


@checked
def draw_legend(image: UInt8, spec: ModelSpec, lines: Sequence[str] = ()) -> bool:
    """Draw class names with their colours, and ``lines`` of text, into the top left corner, in place.

    The text is about a thirtieth of the picture's height and shrinks until the legend covers at most
    :data:`LEGEND_SHARE` of the picture, in one column or several; names over 24 letters lose their middle.

    Returns:
        False where it does not fit in the smallest readable letters; nothing is drawn then.
    """
    names = tuple(_short(text) for text in (*lines, *spec.classes))
    layout = _layout(image.shape[0], image.shape[1], names)
    if layout is None:
        return False
    panel = image[: layout.height, : layout.width]
    panel[...] = panel // 3
    colours = [None] * len(lines) + [(blue, green, red) for red, green, blue in spec.palette[: len(spec.classes)]]
    for at, (name, colour) in enumerate(zip(names, colours, strict=True)):
        left = _MARGIN + at // layout.rows * layout.column
        top = _MARGIN + at % layout.rows * layout.row
        box = layout.row - 3
        if colour is not None:
            cv2.rectangle(image, (left, top), (left + box - 1, top + box - 1), colour, -1)
        indent = layout.row + round(4 * layout.scale) if colour is not None else 0
        place = (left + indent, top + box - max(1, round(6 * layout.scale)))
        cv2.putText(image, name, place, _FONT, layout.scale, (255, 255, 255), _thickness(layout.scale), cv2.LINE_AA)
    return True


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:12]}...{name[-9:]}"


def _thickness(scale: float) -> int:
    return max(1, round(scale))


@lru_cache(maxsize=64)
def _layout(height: int, width: int, names: tuple[str, ...]) -> _Layout | None:
    """The largest letters, and then the fewest columns, that fit; None where nothing does."""
    scale = max(_SMALLEST, min(height, width) / 1100)
    while scale >= _SMALLEST * 0.999:
        for columns in range(1, min(_COLUMNS, len(names)) + 1):
            found = _lay_out(names, scale, columns)
            fits = found.width <= width and found.height <= height
            if fits and found.width * found.height <= LEGEND_SHARE * height * width:
                return found
        scale = max(scale * _STEP, _SMALLEST) if scale > _SMALLEST * 1.001 else 0.0
    return None


def _lay_out(names: tuple[str, ...], scale: float, columns: int) -> _Layout:
    letters = max(cv2.getTextSize(name, _FONT, scale, _thickness(scale))[0][0] for name in names)
    row = round(30 * scale) + 3
    rows = -(-len(names) // columns)
    column = row + round(4 * scale) + letters + 2 * _MARGIN
    used = -(-len(names) // rows)
    return _Layout(scale, rows, row, column, used * column + _MARGIN, rows * row + _MARGIN)
