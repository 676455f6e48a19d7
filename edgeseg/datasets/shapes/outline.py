"""Which pixels belong to an outline, by two rules.

*Points*: coordinates count from the top left corner of the picture, (0, 0), to its bottom right one, (width, height),
as all tools mean them in which a person clicks. A pixel belongs to the outline when its centre is inside; a centre on
a left or upper side counts as inside. Nothing is rounded.

*Pixels*: where all coordinates are whole numbers, they name the outermost pixels themselves: that is how OpenCV traces
a mask (``cv2.findContours``), and with it what converts masks to polygons. These pixels belong to the outline, and
``cv2.fillPoly`` fills it: what was traced comes back as it was. Drawn by the first rule, it would lose half a
pixel around.

Where an outline crosses itself, both rules count the sides to the left of a pixel: after an odd number it is inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError

Points = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
WHOLE = 0.03
"""How far from a whole number a coordinate counts as one: what normalising to five digits leaves of 4000 pixels."""
MOST_CROSSINGS = 1 << 26
_FARTHEST = 1 << 20


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels of a picture.

    Attributes:
        top: the row of the first of them.
        left: the column of the first of them.
        mask: (rows, columns) bool.
    """

    top: int
    left: int
    mask: Bools

    @property
    def count(self) -> int:
        """How many pixels are true."""
        return int(np.count_nonzero(self.mask))


def names_pixels(rings: Sequence[Points]) -> bool:
    """Tell whether outlines name pixels: whether all of their coordinates are whole numbers.

    >>> names_pixels([np.array([[1, 2], [5.001, 2], [5, 9]])]), names_pixels([np.array([[1, 2], [5.5, 2], [5, 9]])])
    (True, False)
    """
    return all(bool(np.all(np.abs(ring - np.round(ring)) <= WHOLE)) for ring in rings)


def fill_outline(points: Points, height: int, width: int) -> Patch:
    """Fill an outline whose coordinates are points between pixels.

    Args:
        points: (N, 2), x and y; the last is joined to the first.
        height: of the picture, in pixels; what lies outside is not drawn.
        width: of the picture.

    Raises:
        DataError: more sides than can be drawn.

    Example:
        >>> fill_outline(np.array([[1, 1], [3, 1], [3, 2.5], [1, 2.5]]), 4, 4).mask.astype(int).tolist()
        [[1, 1]]
    """
    top, left, turns = count_turns(points, height, width)
    return Patch(top, left, (turns & 1).astype(bool))


def count_turns(points: Points, height: int, width: int) -> tuple[int, int, npt.NDArray[np.int32]]:
    """Count how often an outline runs around each pixel's centre, a turn to the other side subtracted.

    Returns:
        Top row, left column, and (rows, columns) int32 of the part of the picture that the outline reaches.
    """
    x, y = points[:, 0], points[:, 1]
    following_x, following_y = np.roll(x, -1), np.roll(y, -1)
    top = int(np.clip(np.ceil(y.min() - 0.5), 0, height))
    bottom = int(np.clip(np.ceil(y.max() - 0.5), top, height))
    left = int(np.clip(np.ceil(x.min() - 0.5), 0, width))
    right = int(np.clip(np.ceil(x.max() - 0.5), left, width))
    first = np.clip(np.ceil(np.minimum(y, following_y) - 0.5), top, bottom).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y, following_y) - 0.5), top, bottom).astype(np.int64)
    counts = last - first
    if counts.sum() > MOST_CROSSINGS:
        raise DataError(f"An outline of {len(points)} points crosses too many rows to be drawn.")
    side = np.repeat(np.arange(len(points)), counts)
    rows = np.repeat(first, counts) + np.arange(len(side)) - np.repeat(np.cumsum(counts) - counts, counts)
    slope = (following_x - x)[side] / (following_y - y)[side]
    columns = np.clip(np.ceil(x[side] + (rows + 0.5 - y[side]) * slope - 0.5), left, right).astype(np.int64)
    steps = np.zeros((bottom - top, right - left + 1), np.int32)
    np.add.at(steps, (rows - top, columns - left), np.where((following_y > y)[side], 1, -1))
    return top, left, np.cumsum(steps, 1, dtype=np.int32)[:, :-1]


def fill_pixel_outline(points: Points, height: int, width: int) -> Patch:
    """Fill an outline whose coordinates name pixels, these included; see :func:`fill_outline`.

    >>> fill_pixel_outline(np.array([[1, 1], [3, 1], [3, 2], [1, 2]]), 4, 4).mask.astype(int).tolist()
    [[1, 1, 1], [1, 1, 1]]
    """
    whole = np.clip(np.round(points), -_FARTHEST, _FARTHEST).astype(np.int32)
    left, top = (int(value) for value in np.clip(whole.min(0), 0, (width, height)))
    right, bottom = (int(value) for value in np.clip(whole.max(0) + 1, (left, top), (width, height)))
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    if canvas.size:
        cv2.fillPoly(canvas, [whole - np.array([left, top], np.int32)], 1)
    return Patch(top, left, canvas.astype(bool))


def fill_ellipse(
    centre: tuple[float, float], radii: tuple[float, float], degrees: float, height: int, width: int
) -> Patch:
    """Fill an ellipse: the pixels whose centres are inside or on it.

    Args:
        centre: x and y, counted like the points of :func:`fill_outline`.
        radii: along its first and its second axis.
        degrees: by which its first axis is turned clockwise from the x axis.
        height: of the picture.
        width: of the picture.

    >>> fill_ellipse((2, 2), (1.5, 1.5), 0, 4, 4).mask.astype(int).tolist()
    [[1, 1], [1, 1]]
    """
    angle = np.deg2rad(degrees)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    reach = np.hypot(radii[0] * cos, radii[1] * sin), np.hypot(radii[0] * sin, radii[1] * cos)
    left, right = (int(np.clip(np.ceil(centre[0] + way * reach[0] - 0.5), 0, width)) for way in (-1, 1))
    top, bottom = (int(np.clip(np.ceil(centre[1] + way * reach[1] - 0.5), 0, height)) for way in (-1, 1))
    x = np.arange(left, min(right + 1, width)) + 0.5 - centre[0]
    y = (np.arange(top, min(bottom + 1, height)) + 0.5 - centre[1])[:, None]
    along, across = (x * cos + y * sin) / radii[0], (y * cos - x * sin) / radii[1]
    return trim_patch(Patch(top, left, along**2 + across**2 <= 1))


def join_patches(patches: Sequence[Patch]) -> Patch:
    """Join patches: a pixel belongs to the result when it belongs to one of them."""
    if len(patches) == 1:
        return patches[0]
    top, left = min(patch.top for patch in patches), min(patch.left for patch in patches)
    bottom = max(patch.top + patch.mask.shape[0] for patch in patches)
    right = max(patch.left + patch.mask.shape[1] for patch in patches)
    joined = np.zeros((bottom - top, right - left), np.bool_)
    for patch in patches:
        _view(joined, patch, top, left)[...] |= patch.mask
    return Patch(top, left, joined)


def cut_patch(patch: Patch, holes: Sequence[Patch]) -> Patch:
    """Take the pixels of ``holes`` out of a patch."""
    left = patch.mask.copy()
    for hole in holes:
        mine, its = (
            tuple(slice(max(0, one - at), max(0, end - at)) for one, end, at in _common(patch, hole, origin))
            for origin in (patch, hole)
        )
        left[mine] &= ~hole.mask[its]
    return Patch(patch.top, patch.left, left)


def _common(one: Patch, other: Patch, origin: Patch) -> list[tuple[int, int, int]]:
    """Begin and end of what two patches share, and where ``origin`` begins: of rows, then of columns."""
    begins = max(one.top, other.top), max(one.left, other.left)
    ends = [
        min(a + rows, b + more)
        for a, b, rows, more in zip(
            (one.top, one.left), (other.top, other.left), one.mask.shape, other.mask.shape, strict=True
        )
    ]
    return [
        (begin, max(begin, end), at) for begin, end, at in zip(begins, ends, (origin.top, origin.left), strict=True)
    ]


def _view(canvas: npt.NDArray[Any], patch: Patch, top: int = 0, left: int = 0) -> npt.NDArray[Any]:
    rows, columns = patch.mask.shape
    return canvas[patch.top - top : patch.top - top + rows, patch.left - left : patch.left - left + columns]


def trim_patch(patch: Patch) -> Patch:
    """Cut off the empty rows and columns around the pixels of a patch."""
    rows, columns = np.flatnonzero(patch.mask.any(1)), np.flatnonzero(patch.mask.any(0))
    if not len(rows):
        return Patch(patch.top, patch.left, patch.mask[:0, :0])
    cut = patch.mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Patch(patch.top + int(rows[0]), patch.left + int(columns[0]), cut)
