"""The labelled objects of a picture, and the mask that they become: one class a pixel.

Labels of objects may overlap, a mask has one class a pixel, so that one object must win. Formats whose tools show
objects in layers keep them: the later one lies above. In others the order of objects says nothing (COCO, YOLO), and
the smaller one lies above, as Ultralytics does it too: a person in front of a bus is seen, and the bus is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeseg.datasets.shapes.outline import (
    Bools,
    Patch,
    Points,
    count_turns,
    cut_patch,
    fill_ellipse,
    fill_outline,
    fill_pixel_outline,
    join_patches,
    names_pixels,
)
from edgeseg.errors import DataError

UInt8 = npt.NDArray[np.uint8]
TOLERANCE = 1.0
"""Pixels by which an outline may lie outside of its picture without a word: what rounding does."""


class Shape(Protocol):
    """Anything that can say which pixels belong to it."""

    def draw(self, height: int, width: int) -> Patch:
        """Draw its pixels in a picture of this size."""


@dataclass(frozen=True, eq=False)
class Outline:
    """One or more outlines; what is in one of them belongs to the object.

    Attributes:
        rings: (N, 2) float64 each, x and y.
        holes: outlines whose inside does not belong to it.
        pixels: coordinates name pixels, see :mod:`edgeseg.datasets.shapes.outline`.
    """

    rings: tuple[Points, ...]
    holes: tuple[Points, ...] = ()
    pixels: bool = False

    def draw(self, height: int, width: int) -> Patch:
        """Draw the pixels inside."""
        fill = fill_pixel_outline if self.pixels else fill_outline
        patch = join_patches([fill(ring, height, width) for ring in self.rings])
        return cut_patch(patch, [fill(hole, height, width) for hole in self.holes])


@dataclass(frozen=True)
class Ellipse:
    """An ellipse or a circle; see :func:`~edgeseg.datasets.shapes.outline.fill_ellipse`."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    degrees: float = 0.0

    def draw(self, height: int, width: int) -> Patch:
        """Draw the pixels inside."""
        return fill_ellipse(self.centre, self.radii, self.degrees, height, width)


@dataclass(frozen=True, eq=False)
class Bitmap:
    """Pixels that a file stores as such, with the place of the first of them."""

    top: int
    left: int
    mask: Bools

    def draw(self, height: int, width: int) -> Patch:
        """Draw the pixels that are in the picture."""
        top, left = max(self.top, 0), max(self.left, 0)
        inside = self.mask[top - self.top : max(0, height - self.top), left - self.left : max(0, width - self.left)]
        return Patch(min(top, height), min(left, width), inside)


@dataclass(frozen=True)
class LabelledObject:
    """An object of a picture.

    Attributes:
        label: the index of its class.
        shape: its pixels.
        layer: objects of a higher one lie above.
    """

    label: int
    shape: Shape
    layer: int = 0


def render_objects(objects: Sequence[LabelledObject], height: int, width: int, smaller_above: bool = False) -> UInt8:
    """Draw objects over a background of label 0.

    Args:
        objects: in the order in which they are drawn, layer by layer.
        height: of the picture, in pixels.
        width: of the picture.
        smaller_above: within a layer the larger is drawn first, instead of the earlier.

    Returns:
        HW uint8, labels.

    Example:
        >>> square = np.array([[0.5, 0.5], [3.5, 0.5], [3.5, 2.5], [0.5, 2.5]])
        >>> render_objects([LabelledObject(1, Outline((square,))), LabelledObject(2, Bitmap(1, 1, square > 3))], 4, 4)
        array([[1, 1, 1, 0],
               [1, 1, 1, 0],
               [0, 2, 0, 0],
               [0, 2, 0, 0]], dtype=uint8)
    """
    mask = np.zeros((height, width), np.uint8)
    drawn = [(each.layer, each.label, each.shape.draw(height, width)) for each in objects]
    for _, label, patch in sorted(drawn, key=lambda one: (one[0], -one[2].count if smaller_above else 0)):
        rows, columns = patch.mask.shape
        mask[patch.top : patch.top + rows, patch.left : patch.left + columns][patch.mask] = label
    return mask


def render_planes(objects: Sequence[LabelledObject], height: int, width: int) -> dict[int, Bools]:
    """Draw the objects of each label over one another, whatever else covers them.

    Returns:
        HW bool by label, of those that occur.

    Example:
        >>> square = np.array([[0.5, 0.5], [3.5, 0.5], [3.5, 2.5], [0.5, 2.5]])
        >>> planes = render_planes([LabelledObject(1, Outline((square,))), LabelledObject(2, Outline((square,)))], 4, 4)
        >>> {label: int(plane.sum()) for label, plane in planes.items()}
        {1: 6, 2: 6}
    """
    planes: dict[int, Bools] = {}
    for each in objects:
        patch = each.shape.draw(height, width)
        plane = planes.setdefault(each.label, np.zeros((height, width), bool))
        rows, columns = patch.mask.shape
        plane[patch.top : patch.top + rows, patch.left : patch.left + columns] |= patch.mask
    return planes


def check_points(points: Points, size: tuple[int, int] | None) -> None:
    """Refuse coordinates that cannot be meant.

    Args:
        points: (N, 2), x and y.
        size: height and width of the picture, where they are known.

    Raises:
        DataError: not a number, infinite, or farther outside of the picture than the picture is large. The message has
            no subject: who calls puts the name of the object before it.
    """
    if not np.isfinite(points).all():
        raise DataError("has a coordinate that is no finite number")
    if size is None or not len(points):
        return
    height, width = size
    if (far := _how_far_outside(points, height, width)) > max(height, width):
        raise DataError(f"reaches {far:.0f} pixels outside of its picture of {width}x{height}; is it that of another?")


def describe_outline(points: Points, size: tuple[int, int] | None) -> list[str]:
    """Say what is wrong with an outline that is drawn all the same; see :func:`check_points` for the wording.

    Outlines of pixels may touch themselves, as OpenCV traces areas that hang together by a corner.

    >>> describe_outline(np.array([[0, 0], [9, 9], [9, 0.5], [0, 9.0]]), (8, 8))
    ['reaches 1 pixel outside of its picture, where it is cut off', 'crosses itself; drawn by the even-odd rule']
    """
    if len(points) < 3:
        return [f"has {_count(len(points), 'point')}, which outline nothing; left out"]
    faults = []
    if size is not None and (far := _how_far_outside(points, *size)) >= TOLERANCE:
        faults.append(f"reaches {_count(round(far), 'pixel')} outside of its picture, where it is cut off")
    if not names_pixels([points]) and _crosses_itself(points, size):
        faults.append("crosses itself; drawn by the even-odd rule")
    return faults


def _how_far_outside(points: Points, height: int, width: int) -> float:
    limits = np.array([width, height], np.float64)
    return float(np.max(np.maximum(-points, points - limits), initial=0.0))


def _crosses_itself(points: Points, size: tuple[int, int] | None) -> bool:
    """Whether pixels are run around twice, or some to the left and others to the right."""
    height, width = size or tuple(int(value) + 1 for value in np.clip(points.max(0), 1, 1 << 14)[::-1])
    _, _, turns = count_turns(points, height, width)
    return bool(turns.size) and int(turns.max()) - int(turns.min()) > 1


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
