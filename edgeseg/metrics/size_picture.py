"""IoU by object size drawn for people, with OpenCV only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from edgeseg.image import UInt8
from edgeseg.metrics.size_iou import SizeIoU
from edgeseg.palette import default_palette

STEP, HIGH, LEFT, TOP, FOOT = 130, 260, 60, 60, 60
_FONT, _INK, _FAINT = cv2.FONT_HERSHEY_SIMPLEX, (40, 40, 40), (225, 225, 225)
Color = tuple[int, int, int]


def size_picture(sizes: SizeIoU, title: str, palette: Sequence[Color] | None = None) -> UInt8:
    """Draw a line a class over the size bins, and a thick one for all classes; the number of objects below.

    Args:
        sizes: what was counted.
        title: one line above.
        palette: RGB a class, 0..255; default colours without it.

    Returns:
        An HWC uint8 BGR picture.
    """
    bins = len(sizes.names)
    legend = LEFT + STEP * bins + 10
    widest = max(_width(name) for name in (*sizes.classes, "all classes"))
    height = TOP + max(HIGH + FOOT, 20 * (len(sizes.classes) + 2))
    picture = np.full((height, max(legend + widest + 60, _width(title) + 40), 3), 255, np.uint8)
    _text(picture, title, (LEFT, 30))
    _axes(picture, sizes)
    colors = [_INK, *((blue, green, red) for red, green, blue in palette or default_palette(len(sizes.classes)))]
    lines = [("all classes", sizes.overall), *zip(sizes.classes, sizes.iou, strict=True)]
    # The thick line is drawn last and lies on top.
    for row, ((name, values), color) in reversed(list(enumerate(zip(lines, colors, strict=True)))):
        thick = 1 if row else 3
        _line(picture, values, color, thick)
        cv2.line(picture, (legend, TOP + 20 * row), (legend + 24, TOP + 20 * row), color, thick + 1, cv2.LINE_AA)
        _text(picture, name, (legend + 32, TOP + 20 * row + 4))
    return picture


def _axes(picture: UInt8, sizes: SizeIoU) -> None:
    right = LEFT + STEP * len(sizes.names)
    for tenth in range(0, 11, 2):
        y = TOP + HIGH - round(HIGH * tenth / 10)
        cv2.line(picture, (LEFT, y), (right, y), _FAINT, 1)
        _text(picture, f"{tenth / 10:.1f}", (20, y + 4))
    for column, (name, count) in enumerate(zip(sizes.names, sizes.count.sum(0), strict=True)):
        x = LEFT + STEP * column + STEP // 2
        # OpenCV's font has no superscript and no "at least".
        words = (name.replace("²", "^2").replace("≥", ">= "), f"{count} objects")
        for line, word in enumerate(words):
            _text(picture, word, (x - _width(word) // 2, TOP + HIGH + 22 + 18 * line))


def _line(
    picture: UInt8, values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], color: Color, thick: int
) -> None:
    points = [
        (LEFT + STEP * column + STEP // 2, TOP + HIGH - round(HIGH * float(value))) if np.isfinite(value) else None
        for column, value in enumerate(values)
    ]
    for before, after in itertools.pairwise(points):
        if before and after:
            cv2.line(picture, before, after, color, thick, cv2.LINE_AA)
    for point in points:
        if point:
            cv2.circle(picture, point, 2 + thick, color, -1, cv2.LINE_AA)


def _text(picture: UInt8, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, _FONT, 0.45, _INK, 1, cv2.LINE_AA)


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, 0.45, 1)[0][0])
