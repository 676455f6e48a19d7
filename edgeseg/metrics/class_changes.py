"""What became of each class and each object between two masks of one picture, where no truth says which is right.

The share of changed pixels is blind to small things: an INT8 model changed 0.00 % of the pixels and a class of few
pixels had gone. So every class answers for itself, by its area and by its objects: the 8-connected regions of a class,
as in :mod:`edgeseg.metrics.size_iou`. An object *went* when less than half of it has its class in the other mask, and
*came* when less than half of it had. Regions smaller than :data:`OBJECT_PIXELS` pixels of the network come and go with
rounding and count by their area alone: of the poles of a road network 4 % from 64 pixels on went in an INT8 model that
holds its budget, 12 % from 16 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.multilabel import unpack_planes

Bool = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]

OBJECT_PIXELS = 64
LEAST_PIXELS = 16
"""A class of fewer pixels in all pictures is not judged."""
COUNTS = ("objects", "went", "came")


@dataclass(frozen=True)
class ClassChange:
    """What became of one class over all pictures.

    Attributes:
        name: of the class.
        area, area_after: pixels in the reference's masks and in the other's.
        objects, went, came: regions of the reference, those of them that are gone, and new ones.
    """

    name: str
    area: int
    area_after: int
    objects: int
    went: int
    came: int

    @property
    def vanished(self) -> bool:
        """The class was there and is nowhere."""
        return self.area > 0 and self.area_after == 0

    @property
    def percent(self) -> float:
        """The largest of: area lost, objects that went, objects that came, in percent of the reference's.

        NaN for a class that the reference does not show.

        >>> ClassChange("car", 1000, 950, 20, 1, 4).percent, ClassChange("car", 90, 0, 0, 0, 0).percent
        (20.0, 100.0)
        """
        if not self.area:
            return float("nan")
        objects = max(1, self.objects)
        return 100 * max(0.0, 1 - self.area_after / self.area, self.went / objects, self.came / objects)

    def __str__(self) -> str:
        """Say what happened.

        >>> print(ClassChange("car", 1000, 950, 20, 1, 4))
        of the class car 1000 pixels became 950, of 20 objects 1 went and 4 came
        >>> print(ClassChange("car", 90, 0, 0, 0, 0))
        the class car has vanished: 90 pixels in the reference, none now
        """
        if self.vanished:
            return f"the class {self.name} has vanished: {self.area} pixels in the reference, none now"
        objects = f"of {self.objects} objects {self.went} went and {self.came} came"
        return f"of the class {self.name} {self.area} pixels became {self.area_after}, {objects}"


@checked
def count_objects(before: UInt8, after: UInt8, classes: int, network_pixels: int, task: str = "multiclass") -> Int64:
    """Count objects of each class in one picture.

    Args:
        before, after: HW uint8 labels; of a multilabel task a bit a class.
        classes: how many.
        network_pixels: of the network's input; says how many pixels of this picture are one of the network's.
        task: of the network.

    Returns:
        (3, K) int64 in the order of :data:`COUNTS`.

    >>> before = np.pad(np.ones((8, 8), np.uint8), 4)
    >>> count_objects(before, np.zeros_like(before), 2, before.size).tolist()
    [[1, 1], [0, 1], [0, 0]]
    """
    least = OBJECT_PIXELS * max(1.0, before.size / network_pixels)
    planes = [_planes(labels, classes, task) for labels in (before, after)]
    return np.array([_count_class(was, now, least) for was, now in zip(*planes, strict=True)], np.int64).T


def find_worst(changes: Sequence[ClassChange]) -> ClassChange | None:
    """Find the class that changed most, of those with pixels enough to tell; None where there is none."""
    told = [one for one in changes if one.area >= LEAST_PIXELS]
    return max(told, key=lambda one: one.percent, default=None)


def _planes(labels: UInt8, classes: int, task: str) -> list[Bool]:
    if task == "multilabel":
        return [plane.astype(bool) for plane in unpack_planes(labels, classes)]
    return [np.asarray(labels == label) for label in range(classes)]


def _count_class(was: Bool, now: Bool, least: float) -> tuple[int, int, int]:
    objects, went = _count_regions(was, now, least)
    _, came = _count_regions(now, was, least)
    return objects, went, came


def _count_regions(mask: Bool, other: Bool, least: float) -> tuple[int, int]:
    """How many regions of ``mask`` there are, and how many of them ``other`` does not show."""
    if np.count_nonzero(mask) < least:
        return 0, 0
    count, numbered = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    areas = np.bincount(numbered[mask], minlength=count)[1:]
    kept = np.bincount(numbered[mask & other], minlength=count)[1:]
    large = areas >= least
    return int(large.sum()), int((large & (2 * kept < areas)).sum())
