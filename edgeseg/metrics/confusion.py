"""Segmentation scores from a confusion matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.given import checked
from edgeseg.image import UInt8

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class Confusion:
    """Counts of (true class, predicted class) pixels over any number of masks.

    Args:
        num_classes: labels are 0 .. num_classes - 1.
        ignore_index: true value that is not counted, or None.

    A prediction outside the classes (an "unknown" pixel) counts as wrong for its true class and
    for no predicted class: it is kept in an extra column.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = 255) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.counts: Int64 = np.zeros((num_classes, num_classes + 1), np.int64)

    @checked
    def update(self, predicted: UInt8, truth: UInt8) -> None:
        """Count one pair of HW uint8 label maps.

        Raises:
            DataError: the shapes differ, or ``truth`` holds a value that is not a class and not ignored.
        """
        if predicted.shape != truth.shape:
            raise DataError(f"Prediction {predicted.shape} and truth {truth.shape} differ in size.")
        classes = self.num_classes
        codes = truth.astype(np.int32) * (classes + 1) + np.minimum(predicted, classes)
        counts = np.bincount(codes.ravel(), minlength=256 * (classes + 1))
        table = counts.reshape(-1, classes + 1)
        strange = [int(v) for v in np.flatnonzero(table.sum(1)) if v >= classes and v != self.ignore_index]
        if strange:
            raise DataError(
                f"The truth holds the value {strange[0]}, which is not a class (0..{classes - 1}) and not ignored."
            )
        self.counts += table[:classes]

    def add(self, other: Confusion) -> None:
        """Add what another one of as many classes counted."""
        self.counts += other.counts

    @property
    def iou(self) -> Float64:
        """Intersection over union a class, (K,) in 0..1; NaN for a class in neither truth nor prediction."""
        return self._ratio(self.hits, self.truth + self.predicted - self.hits)

    @property
    def dice(self) -> Float64:
        """Dice coefficient a class, (K,) in 0..1; NaN for a class in neither truth nor prediction."""
        return self._ratio(2 * self.hits, self.truth + self.predicted)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur; NaN when nothing was counted."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")

    @property
    def constant_iou(self) -> float | None:
        """Mean IoU of giving every pixel the most frequent true label; None where the truth shows fewer than two."""
        shown = int((self.truth > 0).sum())
        return float(self.truth.max() / self.truth.sum() / shown) if shown > 1 else None

    @property
    def mean_dice(self) -> float:
        """Mean of :attr:`dice` over the classes that occur, 0..1; NaN when none does."""
        dice = self.dice
        return float(np.nanmean(dice)) if np.isfinite(dice).any() else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """Part of all counted pixels whose label is right, 0..1; NaN when nothing was counted."""
        total = int(self.counts.sum())
        return float(self.hits.sum() / total) if total else float("nan")

    @property
    def hits(self) -> Int64:
        """Pixels a class whose label is right, (K,)."""
        return np.diagonal(self.counts)

    @property
    def truth(self) -> Int64:
        """Pixels a class in the truth, (K,)."""
        return np.asarray(self.counts.sum(1))

    @property
    def predicted(self) -> Int64:
        """Pixels a class in the prediction, (K,)."""
        return np.asarray(self.counts[:, : self.num_classes].sum(0))

    @staticmethod
    def _ratio(top: npt.NDArray[np.int64], bottom: npt.NDArray[np.int64]) -> Float64:
        ratio: Float64 = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
        return ratio
