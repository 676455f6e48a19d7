"""Predictions drawn over their frames."""

from __future__ import annotations

from collections.abc import Callable

from edgeseg.image import UInt8
from edgeseg.legend import LEGEND_SHARE, draw_legend
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.views.settings import ViewSettings
from edgeseg.runtime.sinks.views.view import View
from edgeseg.spec import ModelSpec


class Painter:
    """Draws predictions over their frames, with a legend where there is room for one.

    Used by one thread at a time; each sink has its own.

    Args:
        spec: gives classes and colours.
        legend: whether a legend is wanted at all.
        say: called once with a sentence, the first time that the legend does not fit.
        view: how they are drawn.

    Raises:
        UserError: the view names a class that is not there.
    """

    def __init__(
        self,
        spec: ModelSpec,
        legend: bool = True,
        say: Callable[[str], object] = lambda _: None,
        view: ViewSettings = ViewSettings(),  # noqa: B008
    ) -> None:
        self._spec = spec
        self._view = View(view, spec)
        self._legend, self._say = legend and self._view.has_legend, say

    def paint(self, frame: Frame, prediction: Prediction) -> UInt8:
        """Paint a new BGR picture of the frame's size, twice as wide where it is shown beside its overlay."""
        picture = self._view.draw(frame, prediction)
        if self._legend and not draw_legend(picture, self._spec):
            self._tell(picture.shape[1], picture.shape[0])
        return picture

    def _tell(self, width: int, height: int) -> None:
        say, self._say = self._say, lambda _: None
        say(
            f"A legend of {self._spec.num_classes} classes would cover over {100 * LEGEND_SHARE:.0f} % of pictures of "
            f"{width}x{height} and is left out."
        )
