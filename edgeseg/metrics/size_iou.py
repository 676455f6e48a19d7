"""IoU by object size: does a network find small things as well as large ones?

IoU over all pixels is decided by large objects. Here every 8-connected component of the truth is
an object of its own and is scored alone, by the definition of Jaus et al. 2024, "Every Component
Counts" (arXiv:2410.18684): the image is divided among the true objects of a class, each pixel
going to its nearest one, and an object's IoU is counted inside its own share::

    IoU_k = |P n T_k| / |(P u T) n V_k|        V_k: pixels nearest to object T_k

So one predicted region over two objects is cut where their shares meet, and each object answers
for the false alarms around it. Prediction of a class in an image without that class belongs to no
object; it is counted as ``stray``. Void pixels count nowhere.

Beside the mean IoU a bin has its ``coverage``, ``|P n T_k| / |T_k|``: an object merged with
others is covered but has a low IoU, a missed one is neither.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.console.text_table import format_table
from edgeseg.errors import DataError, UserError
from edgeseg.given import checked
from edgeseg.image import UInt8

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

EDGES = (16**2, 32**2, 64**2, 128**2)
"""Areas in pixels of the mask where the default bins meet; 32^2 is COCO's limit of "small"."""


@dataclass(frozen=True)
class Objects:
    """What was counted of the true objects of one class in one image.

    Attributes:
        area: (N,) pixels.
        hits: (N,) of them predicted.
        union: (N,) pixels of truth or prediction in each object's share of the image.
        stray: predicted pixels in an image without an object.
    """

    area: Int64
    hits: Int64
    union: Int64
    stray: int


def score_objects(predicted: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> Objects:
    """Score every object of one class in one image.

    Args:
        predicted, truth: HW masks of the class, void pixels False in both.
    """
    count, components = cv2.connectedComponents(truth.astype(np.uint8), connectivity=8)
    numbered = np.asarray(components, np.int32)
    if count == 1:
        nothing = np.zeros(0, np.int64)
        return Objects(nothing, nothing, nothing, int(np.count_nonzero(predicted)))
    area, hits, union = (
        np.bincount(chosen, minlength=count)[1:]
        for chosen in (
            numbered[truth],
            numbered[truth & predicted],
            _shares(truth, numbered)[truth | predicted],
        )
    )
    return Objects(area, hits, union, 0)


def _shares(truth: npt.NDArray[np.bool_], numbered: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The number of the nearest object at every pixel (distances by OpenCV's 5x5 mask, within 2 %)."""
    apart = (~truth).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(apart, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    # OpenCV numbers the pixels of all objects in its own order; ask those pixels which object they are.
    owner = np.zeros(int(nearest.max()) + 1, np.int32)
    owner[nearest[truth]] = numbered[truth]
    return np.asarray(owner[nearest], np.int32)


class SizeIoU:
    """IoU by class and object size over any number of masks.

    Args:
        classes: names in label order.
        ignore_index: true value that is not counted, or None.
        edges: areas in pixels where bins meet, growing; an object of exactly an edge is in the larger bin.

    Raises:
        UserError: ``edges`` do not grow or are not positive.
    """

    def __init__(self, classes: Sequence[str], ignore_index: int | None = 255, edges: Sequence[int] = EDGES) -> None:
        if not edges or edges[0] < 1 or any(b <= a for a, b in itertools.pairwise(edges)):
            raise UserError(f"Size bins need growing areas of at least 1 pixel; found {list(edges)}.")
        self.classes, self.ignore_index, self.edges = tuple(classes), ignore_index, tuple(edges)
        shape = (len(self.classes), len(self.edges) + 1)
        self.count: Int64 = np.zeros(shape, np.int64)
        self._iou: Float64 = np.zeros(shape)
        self._coverage: Float64 = np.zeros(shape)
        self.stray: Int64 = np.zeros(len(self.classes), np.int64)

    @checked
    def update(self, predicted: UInt8, truth: UInt8) -> None:
        """Count one pair of HW uint8 label maps.

        Raises:
            DataError: the shapes differ.
        """
        if predicted.shape != truth.shape:
            raise DataError(f"Prediction {predicted.shape} and truth {truth.shape} differ in size.")
        known = np.ones(truth.shape, bool) if self.ignore_index is None else truth != self.ignore_index
        for label in range(len(self.classes)):
            found = score_objects(self._plane(predicted, label) & known, self._plane(truth, label) & known)
            self.stray[label] += found.stray
            bins = np.searchsorted(self.edges, found.area, side="right")
            for total, values in (
                (self.count, np.ones(len(bins))),
                (self._iou, found.hits / found.union),
                (self._coverage, found.hits / found.area),
            ):
                total[label] += np.bincount(bins, values, minlength=len(self.edges) + 1).astype(total.dtype)

    def _plane(self, labels: UInt8, index: int) -> npt.NDArray[np.bool_]:
        """Find the pixels that show a class."""
        return np.asarray(labels == index)

    @property
    def iou(self) -> Float64:
        """(K, bins) mean IoU of the objects in 0..1; NaN where a bin is empty."""
        return self._mean(self._iou, self.count)

    @property
    def coverage(self) -> Float64:
        """(K, bins) mean share of an object's pixels that was predicted; NaN where a bin is empty."""
        return self._mean(self._coverage, self.count)

    @property
    def overall(self) -> Float64:
        """(bins,) mean over the classes that have objects in a bin; NaN where none has."""
        filled = (self.count > 0).sum(0)
        return self._mean(np.nansum(self.iou, 0), filled)

    @property
    def names(self) -> tuple[str, ...]:
        """The bins in words: areas as the side of a square, in pixels."""
        sides = [f"{np.sqrt(edge):.4g}²" for edge in self.edges]
        inner = [f"{a}-{b}" for a, b in itertools.pairwise(sides)]
        return (f"<{sides[0]}", *inner, f"≥{sides[-1]}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a report; an empty bin is None."""
        rows = {
            name: {
                "iou": _plain(self.iou[label]),
                "coverage": _plain(self.coverage[label]),
                "objects": self.count[label].tolist(),
                "stray_pixels": int(self.stray[label]),
            }
            for label, name in enumerate(self.classes)
        }
        bins = {"edges_px": list(self.edges), "bins": list(self.names)}
        return {**bins, "overall": _plain(self.overall), "classes": rows}

    def table(self) -> str:
        """Lay out IoU by class (rows) and size (columns) with the number of objects, for a terminal."""
        lines = zip(
            (*self.classes, "all classes"), (*self.iou, self.overall), (*self.count, self.count.sum(0)), strict=True
        )
        rows = [[name, *map(_cell, ious, counts)] for name, ious, counts in lines]
        return format_table([["IoU by size", *self.names], *rows], least=12)

    @staticmethod
    def _mean(total: Float64, count: Int64) -> Float64:
        mean: Float64 = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return mean


def _plain(values: Float64) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _cell(iou: float, count: int) -> str:
    return f"{iou:.3f} ({count})" if count else "-"
