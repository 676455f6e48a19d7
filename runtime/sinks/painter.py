"""Predictions drawn over their frames."""

from __future__ import annotations

from collections.abc import Callable

from edgeseg.draw import color_table, overlay
from edgeseg.image import UInt8, unfit
from edgeseg.legend import LEGEND_SHARE, draw_legend
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.spec import ModelSpec


class Painter:
    """Draws predictions over their frames, with a legend where there is room for one.

    Args:
        spec: gives classes and colours.
        legend: whether a legend is wanted at all.
        say: called once with a sentence, the first time that the legend does not fit.
    """

    def __init__(self, spec: ModelSpec, legend: bool = True, say: Callable[[str], object] = lambda _: None) -> None:
        self._spec = spec
        self._table = color_table(spec, hide=spec.unknown_label)
        self._legend, self._say = legend, say

    def paint(self, frame: Frame, prediction: Prediction) -> UInt8:
        """Paint a new BGR picture of the frame's size."""
        height, width = frame.size
        picture = overlay(frame.image, unfit(prediction.labels, self._spec, (height, width)), self._table)
        if self._legend and not draw_legend(picture, self._spec):
            self._tell(width, height)
        return picture

    def _tell(self, width: int, height: int) -> None:
        say, self._say = self._say, lambda _: None
        say(
            f"A legend of {self._spec.num_classes} classes would cover over {100 * LEGEND_SHARE:.0f} % of pictures of "
            f"{width}x{height} and is left out."
        )
