"""Scores where a pixel may show several classes: every class is a mask of its own, scored alone.

IoU, Dice and boundary IoU of a class are those of its binary mask, as if nothing else were in the picture, and means
are over the classes that occur. Void pixels are void for every class. The counts have the interface of
:class:`~edgeseg.metrics.confusion.Confusion` and its kin, so that nobody who reads scores needs to know the task.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.metrics.boundary_iou import OUTSIDE, BoundaryIoU, band, band_width
from edgeseg.metrics.confusion import Confusion, Int64
from edgeseg.metrics.size_iou import SizeIoU
from edgeseg.multilabel import unpack_planes

HITS, MISSED, FALSE, RIGHTLY_NOT = range(4)


class MultilabelConfusion(Confusion):
    """Counts of a (K, 4) table, a row a class: hits, missed, falsely shown, and rightly not shown.

    >>> import numpy as np
    >>> counts = MultilabelConfusion(2)
    >>> counts.update(np.uint8([[1, 3, 0, 2]]), np.uint8([[1, 1, 255, 3]]))
    >>> counts.counts.tolist(), counts.iou.round(2).tolist()
    ([[2, 1, 0, 0], [1, 0, 1, 1]], [0.67, 0.5])
    """

    def __init__(self, num_classes: int, ignore_index: int | None = 255) -> None:
        super().__init__(num_classes, ignore_index)
        self.counts = np.zeros((num_classes, 4), np.int64)

    @checked
    def update(self, predicted: UInt8, truth: UInt8) -> None:
        """Count one pair of HW uint8 label maps, a bit a class.

        Raises:
            DataError: the shapes differ, or ``truth`` holds a value that is no set of classes and not ignored.
        """
        if predicted.shape != truth.shape:
            raise DataError(f"Prediction {predicted.shape} and truth {truth.shape} differ in size.")
        labels = 1 << self.num_classes
        table = np.bincount((truth.astype(np.int32) << 8 | predicted).ravel(), minlength=1 << 16).reshape(256, 256)
        strange = [int(v) for v in np.flatnonzero(table.sum(1)) if v >= labels and v != self.ignore_index]
        if strange:
            raise DataError(f"The truth holds the value {strange[0]}, which is no set of {self.num_classes} classes.")
        known = table[:labels]
        if self.ignore_index is not None and self.ignore_index < labels:
            known[self.ignore_index] = 0
        shown = unpack_planes(np.arange(256, dtype=np.uint8)[np.newaxis], self.num_classes)[:, 0].astype(np.int64)
        true = shown[:, :labels]
        hits = np.einsum("kt,tp,kp->k", true, known, shown)
        missed, false = true @ known.sum(1) - hits, shown @ known.sum(0) - hits
        self.counts += np.stack([hits, missed, false, known.sum() - hits - missed - false], 1)

    @property
    def constant_iou(self) -> float | None:
        """Mean IoU of showing every class everywhere; None where the truth does so, or shows nothing."""
        share = self.truth / max(1, int(self.counts[0].sum()))
        shown = share[share > 0]
        return float(shown.mean()) if len(shown) and (shown < 1).any() else None

    @property
    def pixel_accuracy(self) -> float:
        """Part of all answers (is this class at this pixel?) that are right, 0..1; NaN when nothing was counted."""
        total = int(self.counts.sum())
        return float(self.counts[:, [HITS, RIGHTLY_NOT]].sum() / total) if total else float("nan")

    @property
    def hits(self) -> Int64:
        """Pixels a class where truth and prediction show it, (K,)."""
        return self.counts[:, HITS]

    @property
    def truth(self) -> Int64:
        """Pixels a class in the truth, (K,)."""
        return np.asarray(self.counts[:, HITS] + self.counts[:, MISSED])

    @property
    def predicted(self) -> Int64:
        """Pixels a class in the prediction, (K,)."""
        return np.asarray(self.counts[:, HITS] + self.counts[:, FALSE])


class MultilabelBoundaryIoU(BoundaryIoU):
    """Boundary IoU of each class's own mask."""

    @checked
    def update(self, predicted: UInt8, truth: UInt8) -> None:
        """Count one pair of HW uint8 label maps, a bit a class.

        Raises:
            DataError: the shapes differ.
        """
        if predicted.shape != truth.shape:
            raise DataError(f"Prediction {predicted.shape} and truth {truth.shape} differ in size.")
        void = np.zeros(truth.shape, bool) if self.ignore_index is None else truth == self.ignore_index
        distance = band_width(predicted.shape, self.ratio)
        planes = zip(unpack_planes(predicted, self.num_classes), unpack_planes(truth, self.num_classes), strict=True)
        for index, pair in enumerate(planes):
            ours, theirs = (band(np.where(void, np.uint8(OUTSIDE), plane), distance) == 1 for plane in pair)
            self.intersection[index] += np.count_nonzero(ours & theirs)
            self.union[index] += np.count_nonzero(ours | theirs)


class MultilabelSizeIoU(SizeIoU):
    """IoU by object size of each class's own mask."""

    def _plane(self, labels: UInt8, index: int) -> npt.NDArray[np.bool_]:
        """Find the pixels that show a class."""
        return np.asarray((labels & np.uint8(1 << index)) != 0)


def make_confusion(task: str, classes: int, ignore_index: int | None = 255) -> Confusion:
    """Make the counts that a task is scored by.

    >>> type(make_confusion("multilabel", 2)).__name__, type(make_confusion("binary", 2)).__name__
    ('MultilabelConfusion', 'Confusion')
    """
    return (MultilabelConfusion if task == "multilabel" else Confusion)(classes, ignore_index)


def make_boundary(task: str, classes: int, ignore_index: int | None = 255) -> BoundaryIoU:
    """Make the counts of a task's outlines.

    >>> make_boundary("multilabel", 2).num_classes
    2
    """
    return (MultilabelBoundaryIoU if task == "multilabel" else BoundaryIoU)(classes, ignore_index)


def make_sizes(task: str, classes: Sequence[str], ignore_index: int | None = 255) -> SizeIoU:
    """Make the counts of a task's objects.

    >>> make_sizes("multilabel", ("sky", "road")).classes
    ('sky', 'road')
    """
    return (MultilabelSizeIoU if task == "multilabel" else SizeIoU)(classes, ignore_index)
