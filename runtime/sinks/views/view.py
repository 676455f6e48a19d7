"""One view of frames and masks, chosen once and drawn for every frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeseg.draw import color_table, colorize, overlay
from edgeseg.image import UInt8, placement, read_image, resize_mask
from edgeseg.multilabel import class_plane
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.views.canvas import Canvas
from edgeseg.runtime.sinks.views.pictures import HeatMap, blur_picture, cover, draw_outlines, hide, smooth_mask
from edgeseg.runtime.sinks.views.settings import OF_CLASSES, ViewSettings, choose_classes
from edgeseg.spec import ModelSpec

WITH_LEGEND = ("overlay", "mask", "side-by-side", "outline")


class View:
    """Draws frames and their masks in one way.

    Used by one thread at a time: a heat map remembers what it was given, a camera apart.

    Args:
        settings: which view.
        spec: of the masks.

    Raises:
        UserError: a class that is not there.
        DataError: a background that is no picture.

    Example::

        View(ViewSettings("privacy", ("person",)), spec).draw(frame, prediction)
    """

    def __init__(self, settings: ViewSettings, spec: ModelSpec) -> None:
        self._settings, self._spec = settings, spec
        self._table = color_table(spec, hide=spec.unknown_label)
        self._meant = _label_lookup(spec, choose_classes(settings, spec) if settings.view in OF_CLASSES else ())
        self._canvas = Canvas()
        self._heat: dict[str, HeatMap] = {}
        self._picture = None if settings.background_color else read_image(Path(settings.background or ""))
        self._backdrop: UInt8 | None = None

    @property
    def has_legend(self) -> bool:
        """Whether colours stand for classes."""
        return self._settings.view in WITH_LEGEND

    def draw(self, frame: Frame, prediction: Prediction) -> UInt8:
        """Draw a new BGR picture of the frame's size, twice as wide side by side."""
        at = placement(frame.size, self._spec)
        inner = slice(at.top, at.top + at.height), slice(at.left, at.left + at.width)
        labels, view = np.ascontiguousarray(prediction.labels[inner]), self._settings.view
        if view == "mask":
            return colorize(resize_mask(labels, *frame.size), self._table)
        if view == "outline":
            return draw_outlines(frame.image, labels, self._table)
        if view in OF_CLASSES:
            return self._draw_classes(frame, prediction.labels, inner)
        canvas = self._canvas.take((*frame.size, 3))
        drawn = overlay(frame.image, labels, self._table, self._settings.opacity, canvas)
        return np.hstack([frame.image, drawn]) if view == "side-by-side" else drawn

    def _draw_classes(self, frame: Frame, labels: UInt8, inner: tuple[slice, slice]) -> UInt8:
        inside = np.asarray(cv2.LUT(labels, self._meant), np.uint8)
        if self._settings.view == "heat":
            heat = self._heat.setdefault(frame.source, HeatMap(labels.shape[:2]))
            heat.add(inside)
            return heat.draw(frame.image, inner, self._settings.opacity)
        inside = np.ascontiguousarray(inside[inner])
        if self._settings.view == "privacy":
            return hide(frame.image, inside)
        behind = blur_picture(frame.image) if self._settings.view == "blur" else self._background(frame.size)
        return np.asarray(cv2.copyTo(frame.image, smooth_mask(inside, frame.size), behind.copy()), np.uint8)

    def _background(self, size: tuple[int, int]) -> UInt8:
        if self._backdrop is None or self._backdrop.shape[:2] != size:
            color = self._settings.background_color
            plain = np.full((*size, 3), color or 0, np.uint8)
            self._backdrop = plain if self._picture is None else cover(self._picture, size)
        return self._backdrop


def _label_lookup(spec: ModelSpec, classes: tuple[int, ...]) -> UInt8:
    """(256,) uint8: 255 for a label that shows one of ``classes``, else 0."""
    every = np.arange(256, dtype=np.uint8)
    found = np.zeros(256, bool)
    for index in classes:
        found |= class_plane(every, spec, index)
    return np.where(found, 255, 0).astype(np.uint8)
