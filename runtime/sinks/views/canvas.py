"""Memory for pictures that is used again when nobody holds the picture any more.

Six megabytes of a 1080p picture that come from the system and go back with every frame cost as much as what is drawn.
"""

from __future__ import annotations

import sys

import numpy as np

from edgeseg.image import UInt8

_MOST = 3


class Canvas:
    """Gives picture memory to one thread; what is still held elsewhere is never given again.

    Example:
        >>> canvas = Canvas()
        >>> kept = canvas.take((2, 2, 3))
        >>> canvas.take((2, 2, 3)) is kept
        False
    """

    def __init__(self) -> None:
        self._pictures: list[UInt8] = []

    def take(self, shape: tuple[int, int, int]) -> UInt8:
        """Take a uint8 array of ``shape`` (height, width, 3) with anything in it."""
        if self._pictures and self._pictures[0].shape != shape:
            self._pictures.clear()
        for at in range(len(self._pictures)):
            if _count_holders(self._pictures, at) == _ALONE:
                return self._pictures[at]
        picture = np.empty(shape, np.uint8)
        if len(self._pictures) < _MOST:
            self._pictures.append(picture)
        return picture


def _count_holders(pictures: list[UInt8], at: int) -> int:
    """Count references to a picture; views of it hold it too."""
    return sys.getrefcount(pictures[at])


_ALONE = _count_holders([np.empty(0, np.uint8)], 0)
