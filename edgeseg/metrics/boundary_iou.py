"""Boundary IoU: how well the outlines agree, where plain IoU sees only areas.

Bowen Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation" (CVPR 2021,
arXiv:2103.16562): the IoU of two bands, each the pixels of a mask no further than d from its contour.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.metrics.confusion import Float64

RATIO = 0.02
OUTSIDE = 255


class BoundaryIoU:
    """Counts of band pixels a class, over any number of masks.

    Args:
        num_classes: labels are 0 .. num_classes - 1, at most 255 of them.
        ignore_index: true value that is not counted, or None.
        ratio: width d of the band as a part of the image's diagonal; d is at least 1 pixel.

    Intersections and unions are summed over the whole dataset before they are divided, as
    :class:`~edgeseg.metrics.confusion.Confusion` does; the mean of per-image values would be another number.
    Distances are chessboard distances, and the image's border is a contour, as in the authors' code.
    Ignored pixels are treated like the outside of the image, in the truth and in the prediction.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = 255, ratio: float = RATIO) -> None:
        if not 1 <= num_classes <= OUTSIDE:
            raise DataError(f"Boundary IoU takes 1 to {OUTSIDE} classes; found {num_classes}.")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.ratio = ratio
        self.intersection: npt.NDArray[np.int64] = np.zeros(num_classes, np.int64)
        self.union: npt.NDArray[np.int64] = np.zeros(num_classes, np.int64)

    @checked
    def update(self, predicted: UInt8, truth: UInt8) -> None:
        """Count one pair of HW uint8 label maps.

        Raises:
            DataError: the shapes differ.
        """
        if predicted.shape != truth.shape:
            raise DataError(f"Prediction {predicted.shape} and truth {truth.shape} differ in size.")
        distance = band_width(predicted.shape, self.ratio)
        if self.ignore_index is not None and (void := truth == self.ignore_index).any():
            predicted, truth = np.where(void, OUTSIDE, predicted), np.where(void, OUTSIDE, truth)
        ours, theirs = band(predicted, distance), band(truth, distance)
        both = self._pixels(ours[ours == theirs])
        self.intersection += both
        self.union += self._pixels(ours) + self._pixels(theirs) - both

    def add(self, other: BoundaryIoU) -> None:
        """Add what another one of as many classes counted."""
        self.intersection += other.intersection
        self.union += other.union

    @property
    def iou(self) -> Float64:
        """Boundary IoU a class, (K,) in 0..1; NaN for a class in neither truth nor prediction."""
        nothing = np.full(self.num_classes, np.nan)
        iou: Float64 = np.divide(self.intersection, self.union, out=nothing, where=self.union > 0)
        return iou

    @property
    def mean_iou(self) -> float:
        """Mean boundary IoU over the classes that occur; NaN when nothing was counted."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")

    def _pixels(self, labels: UInt8) -> npt.NDArray[np.int64]:
        return np.bincount(labels.ravel(), minlength=OUTSIDE + 1)[: self.num_classes]


def band_width(shape: tuple[int, ...], ratio: float = RATIO) -> int:
    """Compute the distance d in pixels for an image of ``shape`` (H, W)."""
    return max(1, round(ratio * math.hypot(*shape)))


@checked
def band(labels: UInt8, distance: int) -> UInt8:
    """Keep labels within ``distance`` pixels of their region's contour, and 255 everywhere else.

    A pixel lies there when the square around it holds another label, so that one smallest and one
    largest value serve all classes together.
    """
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * distance + 1, 2 * distance + 1))
    padded = np.pad(labels, 1, constant_values=OUTSIDE)
    lowest = cv2.erode(padded, square)[1:-1, 1:-1]
    highest = cv2.dilate(padded, square)[1:-1, 1:-1]
    kept: UInt8 = np.where((lowest == labels) & (highest == labels), np.uint8(OUTSIDE), labels)
    return kept
