"""Whether a picture has changed enough since the last inference for its mask to be worth another one.

A fixed camera shows the same picture most of the time. The detector compares brightness in a coarse grid with that of
the picture that was inferred *last*, not with the picture before: a shadow that creeps adds up until it counts. Means
over cells keep the noise of a sensor and of a codec out; how many cells have changed, and not the mean change of the
picture, is what a person in a corner moves.
"""

from __future__ import annotations

import cv2
import numpy as np

from edgeseg.image import UInt8
from edgeseg.runtime.analysis.settings import WhenChanged
from edgeseg.runtime.frames.frame import Frame

COLUMNS = 64
"""Cells in a row, of a picture that is wide enough for it; as many rows as make them square."""
SAMPLES = 4
"""Pixels that are looked at along each side of a cell: the noise of 16 of them is a quarter of one's."""
LEVELS = 8
"""A cell whose mean brightness moved by more of 255 has changed."""


class ChangeDetector:
    """Says of each frame of any number of cameras whether it is to be inferred.

    Args:
        settings: how much change counts, and how often it is inferred anyway.

    Example:
        >>> detector = ChangeDetector(WhenChanged(refresh_s=10))
        >>> dark, bright = np.zeros((90, 160, 3), np.uint8), np.full((90, 160, 3), 200, np.uint8)
        >>> [detector.is_due(Frame(picture, 0, 0.1 * n, "camera")) for n, picture in enumerate((dark, dark, bright))]
        [True, False, True]
    """

    def __init__(self, settings: WhenChanged) -> None:
        self._settings = settings
        self._last: dict[str, tuple[UInt8, float]] = {}

    def is_due(self, frame: Frame) -> bool:
        """Tell whether a frame differs from the last one of its camera that was due; the first one is due."""
        return self.judge(frame.source, shrink(frame.luma), moment_s(frame))

    def judge(self, source: str, small: UInt8, at_s: float) -> bool:
        """Tell the same of a picture that is shrunken already."""
        last = self._last.get(source)
        if last is not None and self._is_kept(*last, small, at_s):
            return False
        self._last[source] = (small, at_s)
        return True

    def _is_kept(self, before: UInt8, then_s: float, small: UInt8, at_s: float) -> bool:
        """Whether what was inferred then still stands."""
        is_recent = 0 <= at_s - then_s < self._settings.refresh_s
        is_same_size = before.shape == small.shape
        return is_recent and is_same_size and changed_percent(small, before) <= self._settings.change


def moment_s(frame: Frame) -> float:
    """Give the time of a frame in its recording, or when it was captured."""
    return frame.time_s if frame.media_s is None else frame.media_s


def shrink(luma: UInt8) -> UInt8:
    """Compute mean brightness over square cells, :data:`COLUMNS` in a row.

    Args:
        luma: HW uint8, a view with any strides.

    >>> shrink(np.zeros((576, 768), np.uint8)).shape
    (48, 64)
    """
    height, width = luma.shape
    columns = min(COLUMNS, max(1, width // SAMPLES))
    rows = max(1, min(height, round(height * columns / width)))
    step = max(1, width // (columns * SAMPLES))
    seen = np.ascontiguousarray(luma[step // 2 :: step, step // 2 :: step])
    return np.asarray(cv2.resize(seen, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def changed_percent(small: UInt8, other: UInt8) -> float:
    """Compute how much of a picture differs by more than :data:`LEVELS`, in percent.

    >>> changed_percent(np.zeros((2, 2), np.uint8), np.array([[0, 8], [9, 255]], np.uint8))
    50.0
    """
    return 100.0 * int(np.count_nonzero(cv2.absdiff(small, other) > LEVELS)) / small.size
