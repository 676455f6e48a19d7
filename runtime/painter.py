"""Predictions drawn over their frames."""

from __future__ import annotations

from edgeseg.draw import color_table, draw_legend, overlay
from edgeseg.image import UInt8, unfit
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.spec import ModelSpec


class Painter:
    """Draws predictions over their frames, with a legend."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._table = color_table(spec, hide=spec.unknown_label)

    def paint(self, frame: Frame, prediction: Prediction) -> UInt8:
        """A new BGR picture of the frame's size."""
        height, width = frame.image.shape[:2]
        picture = overlay(frame.image, unfit(prediction.labels, self._spec, (height, width)), self._table)
        draw_legend(picture, self._spec)
        return picture
