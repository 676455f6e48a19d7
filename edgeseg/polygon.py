"""Areas of a label map as polygons along the edges of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8

Int32 = npt.NDArray[np.int32]
Rings = tuple[Int32, ...]
_FEW_SIDES = 64


@dataclass(frozen=True, eq=False)
class Polygon:
    """One connected area, by its outline.

    Coordinates count from the top left corner of the picture and name corners of pixels, not their centres: a single
    pixel at the origin is the square (0, 0), (0, 1), (1, 1), (1, 0).

    Attributes:
        points: (N, 2) int32, x and y of the outline, which is closed and never crosses or touches itself.
        holes: the same for each hole; a hole may touch the outline in a point.
        area: pixels of the area itself, before its outline was simplified.
    """

    points: Int32
    holes: Rings
    area: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers for JSON."""
        return {"points": self.points.tolist(), "holes": [hole.tolist() for hole in self.holes], "area": self.area}


def trace_polygons(mask: npt.NDArray[np.bool_], min_area: float = 0, tolerance: float = 1.0) -> list[Polygon]:
    """Outline every area of a mask, the largest first.

    Pixels belong together when they share an edge (4-connectivity). Outlines are simplified by Douglas and Peucker's
    method with ``tolerance``, or with less where they would cross.

    Args:
        mask: HW bool.
        min_area: areas of fewer pixels are left out.
        tolerance: how far an outline may lie from the edges of the pixels, in pixels; 0 follows them exactly.

    Example:
        >>> mask = np.zeros((4, 6), bool)
        >>> mask[1:3, 2:5] = True
        >>> (polygon,) = trace_polygons(mask)
        >>> polygon.points.tolist(), polygon.area
        ([[2, 1], [2, 3], [5, 3], [5, 1]], 6)
    """
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    wanted = [number for number in range(1, count) if areas[number] >= min_area]
    polygons = []
    for number in sorted(wanted, key=lambda number: -areas[number]):
        left, top, width, height = (int(value) for value in stats[number, :4])
        part = (numbers[top : top + height, left : left + width] == number).view(np.uint8)
        outer, *holes = (ring + np.array([left, top], np.int32) for ring in _simplify(_trace_rings(part), tolerance))
        polygons.append(Polygon(outer, tuple(holes), int(areas[number])))
    return polygons


def is_simple(points: Int32) -> bool:
    """Tell whether a closed outline, (N, 2) int32, neither crosses nor touches itself.

    >>> is_simple(np.array([[0, 0], [4, 4], [4, 0], [0, 4]], np.int32))
    False
    """
    return len(points) >= 3 and (_are_boxes_apart(points) or not _sides_meet((points,)))


def _are_boxes_apart(points: Int32) -> bool:
    """Whether not even the boxes around sides that do not follow each other meet: told of few sides in little time."""
    count = len(points)
    if count > _FEW_SIDES:
        return False
    corners = points.tolist()
    following = [*corners[1:], corners[0]]
    for (ax, ay), (bx, by), (cx, cy) in zip(corners, following, [*following[1:], following[0]], strict=True):
        if (bx - ax) * (cy - by) == (by - ay) * (cx - bx) and (bx - ax) * (cx - bx) + (by - ay) * (cy - by) <= 0:
            return False  # it turns back, or stays where it is
    boxes = sorted(
        (min(ax, bx), max(ax, bx), min(ay, by), max(ay, by), at)
        for at, ((ax, ay), (bx, by)) in enumerate(zip(corners, following, strict=True))
    )
    for place, (_, right, top, bottom, at) in enumerate(boxes, 1):
        for left, _, other_top, other_bottom, other in boxes[place:]:
            if left > right:
                break
            if other_top <= bottom and other_bottom >= top and abs(other - at) not in (1, count - 1):
                return False
    return True


def _trace_rings(part: UInt8) -> Rings:
    """The outline of one area, then its holes, along the edges of pixels.

    OpenCV joins the centres of pixels, so that thin areas collapse to lines. In a picture of twice the size, every
    pixel of a border lies beside one edge: from its place ``s`` on the doubled axis that edge is ``(s + 1) // 2``.
    """
    doubled = part.repeat(2, 0).repeat(2, 1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    is_hole = hierarchy[0, :, 3] >= 0
    rings = [_keep_corners((np.asarray(contour[:, 0], np.int32) + 1) // 2) for contour in contours]
    (outer,) = (ring for ring, hole in zip(rings, is_hole, strict=True) if not hole)
    return (outer, *(ring for ring, hole in zip(rings, is_hole, strict=True) if hole))


def _keep_corners(path: Int32) -> Int32:
    """Only the points at which a closed path turns."""
    path = path[np.any(path != np.roll(path, 1, 0), 1)]
    turns = np.any(path - np.roll(path, 1, 0) != np.roll(path, -1, 0) - path, 1)
    corners = path[turns]
    before, after = corners - np.roll(corners, 1, 0), np.roll(corners, -1, 0) - corners
    return np.ascontiguousarray(corners[_cross(before, after) != 0], np.int32)


def _simplify(rings: Rings, tolerance: float) -> Rings:
    """The rings with fewer points, as far as they stay what they were: apart, and holes inside."""
    while tolerance >= 0.25:
        fewer = tuple(_approximate(ring, tolerance) for ring in rings)
        if _is_valid(fewer):
            return fewer
        tolerance /= 2
    return rings


def _approximate(ring: Int32, tolerance: float) -> Int32:
    fewer = cv2.approxPolyDP(ring, tolerance, True)[:, 0]
    return np.asarray(fewer, np.int32) if len(fewer) >= 3 else ring


def _is_valid(rings: Rings) -> bool:
    """Whether no two sides meet but at a common end, no ring meets itself, and every hole is in the outline alone."""
    outer, *holes = rings
    for hole in holes:
        if not _lies_in(hole, outer) or any(other is not hole and _lies_in(hole, other) for other in holes):
            return False
    return not _sides_meet(rings)


def _lies_in(inner: Int32, outer: Int32) -> bool:
    """Whether the first point of ``inner`` that is not on the border of ``outer`` is inside."""
    sides = (cv2.pointPolygonTest(outer, (int(x), int(y)), False) for x, y in inner)
    return next((side > 0 for side in sides if side), False)


def _sides_meet(rings: Rings) -> bool:
    starts = np.concatenate(rings).astype(np.int64)
    ends = np.concatenate([np.roll(ring, -1, 0) for ring in rings]).astype(np.int64)
    owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    first, second = _near_pairs(starts, ends)
    a, b, c, d = starts[first], ends[first], starts[second], ends[second]
    sides = _cross(b - a, c - a), _cross(b - a, d - a), _cross(d - c, a - c), _cross(d - c, b - c)
    crossing = (np.sign(sides[0]) * np.sign(sides[1]) < 0) & (np.sign(sides[2]) * np.sign(sides[3]) < 0)
    on = [
        (side == 0) & np.all((point >= np.minimum(*line)) & (point <= np.maximum(*line)), 1)
        for side, point, line in zip(sides, (c, d, a, b), ((a, b), (a, b), (c, d), (c, d)), strict=True)
    ]
    meeting = np.sum(on, 0)
    follows = (np.all(b == c, 1) | np.all(a == d, 1)) & (meeting == 2)
    is_end = np.all(a == c, 1) | np.all(b == d, 1) | np.all(b == c, 1) | np.all(a == d, 1)
    touches_other = (owners[first] != owners[second]) & is_end & (meeting == 2)
    is_next = _are_neighbours(first, second, owners, [len(ring) for ring in rings])
    return bool(np.any(crossing | ((meeting > 0) & ~(is_next & follows) & ~touches_other)))


def _are_neighbours(first: Any, second: Any, owners: Any, lengths: list[int]) -> Any:
    """Whether two sides follow each other in one ring."""
    begin = np.concatenate([[0], np.cumsum(lengths)[:-1]])[owners[first]]
    length = np.asarray(lengths)[owners[first]]
    apart = (second - begin) - (first - begin)
    return (owners[first] == owners[second]) & ((np.abs(apart) == 1) | (np.abs(apart) == length - 1))


def _near_pairs(starts: Any, ends: Any) -> tuple[Any, Any]:
    """Indices of all pairs of sides whose extents overlap along x."""
    low, high = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    order = np.argsort(low, kind="stable")
    counts = np.searchsorted(low[order], high[order], "right") - np.arange(len(order)) - 1
    first = np.repeat(np.arange(len(order)), counts)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[first], order[first + 1 + offset]


def _cross(first: Any, second: Any) -> Any:
    return first[..., 0].astype(np.int64) * second[..., 1] - first[..., 1].astype(np.int64) * second[..., 0]
