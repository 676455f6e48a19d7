"""How far a stated probability can be believed: expected calibration error and the reliability diagram.

C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: answers are binned by
the probability that was stated, and in each bin the mean of what was stated is held against the share that was right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.given import checked
from edgeseg.image import UInt8

BINS = 15
Bool = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bin:
    """Answers whose stated probability lies in one part of 0..1.

    Attributes:
        stated: mean probability that was stated, 0..1.
        right: share of the answers that were right, 0..1.
        share: of all answers.
    """

    stated: float
    right: float
    share: float

    def to_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return {"stated": self.stated, "right": self.right, "share": self.share}


class Reliability:
    """Counts of right and wrong answers by what was stated, over any number of images.

    Probabilities come as eight bits, ``round(255 * p)``, as engines give them, and each of the 256 values is counted
    by itself: binning loses nothing that the engine had not rounded away.

    >>> counts = Reliability()
    >>> counts.update(np.uint8([255, 255, 255, 255]), np.array([True, True, True, False]))
    >>> counts.error
    0.25
    """

    def __init__(self) -> None:
        self.counts: Int64 = np.zeros((2, 256), np.int64)
        """Wrong and right answers, by what was stated."""

    @checked
    def update(self, stated: UInt8, right: Bool) -> None:
        """Count answers.

        Args:
            stated: uint8 of any shape, ``round(255 * p)``.
            right: whether each was right, of the same shape.

        Raises:
            DataError: the shapes differ.
        """
        if stated.shape != right.shape:
            raise DataError(f"Probabilities {stated.shape} and what was right {right.shape} differ in shape.")
        codes = stated.astype(np.int32) + 256 * right
        self.counts += np.bincount(codes.ravel(), minlength=512).reshape(2, 256)

    def add(self, other: Reliability) -> None:
        """Count what another one has counted."""
        self.counts += other.counts

    @property
    def error(self) -> float:
        """Expected calibration error over fifteen bins, 0..1; NaN when nothing was counted."""
        bins = self.bins()
        return sum(one.share * abs(one.stated - one.right) for one in bins) if bins else float("nan")

    def bins(self, count: int = BINS) -> list[Bin]:
        """Give the bins that hold an answer, from the least sure on; each but the first is open at its lower end."""
        values = np.arange(256)
        at = np.maximum(-(-values * count // 255) - 1, 0)
        total = self.counts.sum(0)
        found = []
        for index in range(count):
            inside = np.where(at == index, total, 0)
            if answers := int(inside.sum()):
                right = int(self.counts[1][at == index].sum())
                stated = float(inside @ values / 255 / answers)
                found.append(Bin(stated, right / answers, answers / int(total.sum())))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, from which :meth:`from_dict` makes it again."""
        return {"counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Reliability:
        """Read what :meth:`to_dict` gave."""
        made = cls()
        made.counts = np.array(values["counts"], np.int64).reshape(2, 256)
        return made
