"""Specks and holes: areas too small to be meant, filled with what is around them."""

from __future__ import annotations

import cv2
import numpy as np

from edgeseg.image import UInt8
from edgeseg.multilabel import class_plane
from edgeseg.runtime.analysis.regions import Int32, RawRegion, find_areas
from edgeseg.spec import ModelSpec


def fill_small(labels: UInt8, spec: ModelSpec, least: tuple[float, ...]) -> UInt8:
    """Fill the specks and the holes of each class that are smaller than its least size.

    A speck takes the label that most of the pixels around it have, a hole that of the class around it.

    Args:
        labels: HW uint8; not changed.
        spec: of the network.
        least: pixels of the label map that an area must have, one number a class; 0 leaves the class alone.

    Returns:
        HW uint8, ``labels`` itself where nothing is too small.

    >>> spec = ModelSpec("multiclass", ("ground", "car", "tree"), 8, 8)
    >>> labels = np.zeros((5, 6), np.uint8)
    >>> labels[1:4, 0:3], labels[2, 1], labels[2, 5] = 1, 0, 1
    >>> fill_small(labels, spec, (0, 4, 0)).tolist()[2]
    [1, 1, 1, 0, 0, 0]
    """
    found = labels
    for index, size in enumerate(least):
        if size <= 1:
            continue
        plane = class_plane(found, spec, index).view(np.uint8)
        areas = find_areas(plane)
        holes = [hole for raw in areas for hole in raw.holes if _hole_pixels(hole) < size]
        specks = [raw for raw in areas if raw.pixels < size]
        if not holes and not specks:
            continue
        found = found.copy() if found is labels else found
        for hole in holes:
            _fill_hole(found, plane, hole, index, spec)
        for speck in specks:
            _fill_speck(found, speck, index, spec)
    return found


def _hole_pixels(hole: Int32) -> float:
    return cv2.contourArea(hole) - len(hole) / 2 + 1


def _fill_hole(labels: UInt8, plane: UInt8, hole: Int32, index: int, spec: ModelSpec) -> None:
    left, top, width, height = cv2.boundingRect(hole)
    inside = _draw(hole, (left, top, width, height))
    part = labels[top : top + height, left : left + width]
    is_hole = inside.view(np.bool_) & (plane[top : top + height, left : left + width] == 0)
    if spec.task == "multilabel":
        part[is_hole] |= np.uint8(1 << index)
    else:
        part[is_hole] = index


def _fill_speck(labels: UInt8, speck: RawRegion, index: int, spec: ModelSpec) -> None:
    """Give its pixels the label that is most frequent on the pixels around it."""
    left, top, width, height = cv2.boundingRect(speck.contour)
    inside = cv2.copyMakeBorder(_draw(speck.contour, (left, top, width, height)), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    rows = slice(max(0, top - 1), min(labels.shape[0], top + height + 1))
    columns = slice(max(0, left - 1), min(labels.shape[1], left + width + 1))
    inside = inside[rows.start - top + 1 : rows.stop - top + 1, columns.start - left + 1 : columns.stop - left + 1]
    part = labels[rows, columns]
    is_speck = inside.view(np.bool_) & class_plane(part, spec, index)
    if spec.task == "multilabel":
        part[is_speck] &= np.uint8(255 - (1 << index))
        return
    around = cv2.dilate(inside, np.ones((3, 3), np.uint8)).view(np.bool_) & ~inside.view(np.bool_)
    if around.any():
        part[is_speck] = np.bincount(part[around]).argmax()


def _draw(contour: Int32, box: tuple[int, int, int, int]) -> UInt8:
    """HW uint8 of a box: 1 on the contour and within."""
    left, top, width, height = box
    drawn = np.zeros((height, width), np.uint8)
    cv2.drawContours(drawn, [contour], 0, 1, cv2.FILLED, offset=(-left, -top))
    return drawn
