"""A picture that is read by rows, mirrored beyond its edges, whatever size it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a picture, over its whole width.

    Attributes:
        image: HWC uint8 BGR.
        valid: HW bool, False where the file has no data; None where it has data everywhere.
    """

    image: UInt8
    valid: Bool | None = None


class Picture(Protocol):
    """A picture that gives its rows from the top to the bottom; used from one thread."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""

    def read(self, top: int, bottom: int) -> Rows:
        """Read the rows from ``top`` to before ``bottom``, all of them within the picture.

        Raises:
            DataError: they cannot be read.
        """

    def close(self) -> None:
        """Close the file; a second call does nothing."""


class LoadedPicture:
    """A picture that is in memory.

    >>> LoadedPicture(np.zeros((6, 8, 3), np.uint8)).read(2, 4).image.shape
    (2, 8, 3)
    """

    def __init__(self, image: UInt8) -> None:
        self._image = image

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._image.shape[0], self._image.shape[1]

    def read(self, top: int, bottom: int) -> Rows:
        """Give a view of the rows."""
        return Rows(self._image[top:bottom])

    def close(self) -> None:
        """Do nothing: there is no file."""


class MirroredRows:
    """Gives rows of a picture that may lie beyond its edges; each row is read once as long as one goes down.

    Args:
        picture: is read.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._height = picture.size[0]
        self._top, self._kept = 0, Rows(np.empty((0, 0, 3), np.uint8))

    def take(self, top: int, count: int) -> Rows:
        """Give ``count`` rows from ``top`` on, those beyond the picture mirrored at its edge.

        Raises:
            DataError: they cannot be read.
        """
        wanted = mirror(np.arange(top, top + count), self._height)
        first, end = int(wanted.min()), int(wanted.max()) + 1
        self._hold(first, end)
        if end - first == count and wanted[0] == first:
            return self._kept
        return _select(self._kept, wanted - first)

    def _hold(self, first: int, end: int) -> None:
        have = self._top + len(self._kept.image)
        if not (self._top <= first < have <= end):
            self._kept = self._picture.read(first, end)
        else:
            rest = _select(self._kept, np.s_[first - self._top :])
            self._kept = _join(rest, self._picture.read(have, end)) if end > have else rest
        self._top = first


def mirror(positions: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Bring positions beyond 0 or ``size`` back by mirroring at the outermost pixel, as often as it takes.

    >>> mirror(np.arange(-2, 5), 3).tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    if size == 1:
        return np.zeros_like(positions)
    period = 2 * (size - 1)
    folded = np.mod(positions, period)
    return np.asarray(np.minimum(folded, period - folded))


def _select(rows: Rows, which: slice | npt.NDArray[np.int64]) -> Rows:
    return Rows(rows.image[which], None if rows.valid is None else rows.valid[which])


def _join(one: Rows, other: Rows) -> Rows:
    image = np.concatenate([one.image, other.image])
    if one.valid is None and other.valid is None:
        return Rows(image)
    flags = [np.ones(rows.image.shape[:2], bool) if rows.valid is None else rows.valid for rows in (one, other)]
    return Rows(image, np.concatenate(flags))
