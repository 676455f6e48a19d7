"""Connected areas of a class: size, centre, box and outline, from OpenCV's contours alone.

A contour runs through the centres of the border's pixels, so that Pick's theorem gives the exact number of pixels:
area within + half its steps + 1, and for a hole area within - half its steps + 1 (Pick, Geometrisches zur Zahlenlehre,
1899). At 1280x720 that takes 0.2 ms where labelling every pixel takes 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8
from edgeseg.polygon import is_simple, trace_polygons
from edgeseg.runtime.analysis.geometry import Geometry
from edgeseg.runtime.frames.analysis import Point, Region

Int32 = npt.NDArray[np.int32]
MOST = 100
"""Regions of a frame that are listed, the largest; the others are counted."""
_TOLERANCE, _PART = 1.0, 0.002
"""How far an outline may lie from the border, in pixels of the label map: so many, or this part of its length."""


class RawRegion(NamedTuple):
    """A connected area in pixels of the label map.

    Attributes:
        contour: (N, 1, 2) int32, through the centres of the outer border's pixels.
        holes: the same for each hole, through the pixels around it.
        area: within the contour, holes not left out.
        pixels: how many there are.
    """

    contour: Int32
    holes: tuple[Int32, ...]
    area: float
    pixels: float


def find_areas(plane: UInt8) -> list[RawRegion]:
    """Find the connected areas of a plane, HW uint8 of zero and anything else, the largest first.

    >>> [area.pixels for area in find_areas(np.uint8([[1, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]))]
    [4.0, 1.0]
    """
    contours, hierarchy = cv2.findContours(plane, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is None:
        return []
    tree = hierarchy[0].tolist()
    found = [_measure(contours, tree, at) for at, node in enumerate(tree) if node[3] < 0]
    found.sort(key=lambda area: -area.pixels)
    return found


def describe_area(raw: RawRegion, geometry: Geometry, class_index: int, class_name: str) -> Region:
    """Give an area in pixels of the frame, and in millimetres where they are known.

    Args:
        raw: from :func:`find_areas`.
        geometry: of the frame.
        class_index: its class.
        class_name: the name of that.
    """
    mm2 = geometry.measure_mm2(raw.contour, raw.area, raw.pixels) if geometry.has_real_size else None
    (centroid,) = geometry.to_frame(np.array([find_centroid(raw)])).tolist()
    box = cv2.boundingRect(raw.contour)
    return Region(
        class_index,
        class_name,
        raw.pixels * geometry.pixel_area,
        mm2,
        (centroid[0], centroid[1]),
        geometry.box(*box),
        _outline(raw, box, geometry),
    )


def find_centroid(raw: RawRegion) -> Point:
    """Compute the centre of mass of an area, in pixels of the label map."""
    mass = x = y = 0.0
    for sign, ring in ((1, raw.contour), *((-1, hole) for hole in raw.holes)):
        moments = cv2.moments(ring)
        border_x, border_y = ring[:, 0].sum(0).tolist()  # its pixels count by half, as in Pick's theorem
        mass += sign * moments["m00"] + len(ring) / 2
        x += sign * moments["m10"] + border_x / 2
        y += sign * moments["m01"] + border_y / 2
    return x / mass, y / mass


def _measure(contours: Any, tree: list[list[int]], at: int) -> RawRegion:
    contour = contours[at]
    holes = tuple(contours[child] for child in _children(tree, at))
    area = cv2.contourArea(contour)
    pixels = 1.0 if len(contour) == 1 else area + len(contour) / 2 + 1
    pixels -= sum(cv2.contourArea(hole) - len(hole) / 2 + 1 for hole in holes)
    return RawRegion(contour, holes, area, pixels)


def _children(tree: list[list[int]], at: int) -> Iterator[int]:
    child = tree[at][2]
    while child >= 0:
        yield child
        child = tree[child][0]


def _outline(raw: RawRegion, box: Any, geometry: Geometry) -> tuple[Point, ...]:
    ring = _simplify(raw.contour)
    if ring is None:
        return _trace_edges(raw, box, geometry)
    return tuple((x, y) for x, y in geometry.to_frame(ring).tolist())


def _simplify(contour: Int32) -> Int32 | None:
    """The contour with fewer points; None where it is no simple outline, as that of a thin area."""
    coarse = max(_TOLERANCE, _PART * len(contour))
    for tolerance in (coarse, coarse / 2):
        ring = np.asarray(cv2.approxPolyDP(contour, tolerance, True), np.int32)
        if len(ring) >= 3 and (cv2.isContourConvex(ring) or is_simple(ring[:, 0])):
            return ring[:, 0]
    return None


def _trace_edges(raw: RawRegion, box: Any, geometry: Geometry) -> tuple[Point, ...]:
    """The outline along the edges of the pixels; where parts of an area hang together by corners, these are bridged."""
    left, top, width, height = box
    part = np.zeros((height + 2, width + 2), np.uint8)
    cv2.drawContours(part, [raw.contour], 0, 1, cv2.FILLED, offset=(1 - left, 1 - top))
    polygons = trace_polygons(part.view(np.bool_), 0, _TOLERANCE)
    if len(polygons) > 1:
        cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        part = np.asarray(cv2.dilate(part, cross), np.uint8)
        polygons = trace_polygons(part.view(np.bool_), 0, _TOLERANCE)
    corners = polygons[0].points + np.array([left - 1.5, top - 1.5])
    height_px, width_px = geometry.size
    points = np.clip(geometry.to_frame(corners), 0, (width_px, height_px))
    return tuple((x, y) for x, y in points.tolist())
