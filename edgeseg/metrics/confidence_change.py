"""How far the confidence of one form of a model lies from that of another, image by image and class by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.image import UInt8
from edgeseg.multilabel import unpack_planes

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
PARTS = ("total", "answers", "crossed")


@dataclass
class ConfidenceChange:
    """Sums of absolute differences of eight-bit confidence, for every image.

    Attributes:
        num_classes: labels of the reference are 0 .. num_classes - 1, or sets of them.
        least: the confidence, 0..255, from which a pixel of each class keeps it, (K,); None where no threshold decides.
        rows: for each image (3,) int64, as :data:`PARTS` names them: the sum over all answers, how many there were, and
            how many lie on the other side of the threshold than the reference's.
        class_rows: for each image (2, K) int64: sum and number over the pixels that the reference gives each class.

    >>> change = ConfidenceChange(2, np.uint8([128, 128]))
    >>> sure, unsure = np.uint8([[255, 255]]), np.uint8([[255, 102]])
    >>> change.update((np.uint8([[0, 1]]), sure), (np.uint8([[0, 1]]), unsure))
    >>> change.mean_points, change.crossing, change.class_points.tolist()
    (30.0, 0.5, [0.0, 60.0])
    """

    num_classes: int
    least: UInt8 | None = None
    rows: list[Int64] = field(default_factory=list)
    class_rows: list[Int64] = field(default_factory=list)

    def update(self, reference: tuple[UInt8, UInt8], stage: tuple[UInt8, UInt8]) -> None:
        """Count one image.

        Args:
            reference: HW uint8 labels before any threshold, and HW uint8 confidence; KHW, a plane a class, where labels
                are sets of classes.
            stage: the same of what is compared with it.

        Raises:
            DataError: the shapes differ.
        """
        (labels, before), (others, after) = reference, stage
        if before.shape != after.shape or labels.shape != before.shape[-2:]:
            raise DataError(f"Confidence {before.shape} and {after.shape} of labels {labels.shape} differ in size.")
        moved = np.asarray(cv2.absdiff(before, after), np.uint8)
        crossed = int(np.count_nonzero(self._sure(labels, before) != self._sure(others, after)))
        self.rows.append(np.array([int(moved.sum(dtype=np.int64)), moved.size, crossed], np.int64))
        self.class_rows.append(self._by_class(labels, moved))

    def _sure(self, labels: UInt8, confidence: UInt8) -> npt.NDArray[np.bool_]:
        if self.least is None:
            return np.zeros(confidence.shape, bool)
        if confidence.ndim == 3:
            return np.asarray(confidence >= self.least[:, None, None])
        by_label = np.zeros(256, np.uint8)
        by_label[: self.num_classes] = self.least
        return np.asarray(confidence >= by_label[labels])

    def _by_class(self, labels: UInt8, moved: UInt8) -> Int64:
        if moved.ndim == 3:
            shown = unpack_planes(labels, self.num_classes)
            return np.array([(moved * shown).sum((1, 2), dtype=np.int64), shown.sum((1, 2), dtype=np.int64)])
        table = np.bincount((labels.astype(np.int32) << 8 | moved).ravel(), minlength=1 << 16).reshape(256, 256)
        known = table[: self.num_classes]
        return np.array([known @ np.arange(256), known.sum(1)], np.int64)

    @property
    def mean_points(self) -> float:
        """Mean absolute difference over all answers, in points (0..100); NaN when nothing was compared."""
        total, answers = np.sum(self.rows, 0)[:2] if self.rows else (0, 0)
        return float(100 * total / 255 / answers) if answers else float("nan")

    @property
    def class_points(self) -> Float64:
        """The same over the pixels that the reference gives each class, (K,); NaN for one that it never gives."""
        total, pixels = np.sum(self.class_rows, 0) if self.class_rows else np.zeros((2, self.num_classes))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(100 * total / 255 / pixels, np.float64)

    @property
    def crossing(self) -> float:
        """Share of all answers on the other side of the threshold, 0..1; NaN where no threshold decides."""
        if self.least is None or not self.rows:
            return float("nan")
        _, answers, crossed = np.sum(self.rows, 0)
        return float(crossed / answers)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, from which :meth:`from_dict` makes it again."""
        return {
            "num_classes": self.num_classes,
            "least": None if self.least is None else self.least.tolist(),
            "rows": [row.tolist() for row in self.rows],
            "class_rows": [row.tolist() for row in self.class_rows],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ConfidenceChange:
        """Read what :meth:`to_dict` gave."""
        least = None if values["least"] is None else np.array(values["least"], np.uint8)
        rows, class_rows = ([np.array(row, np.int64) for row in values[name]] for name in ("rows", "class_rows"))
        return cls(values["num_classes"], least, rows, class_rows)
