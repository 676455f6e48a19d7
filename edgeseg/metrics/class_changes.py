"""What happened to each class and each object between two masks of one picture, where no truth says which is right.

The share of changed pixels is blind to small things: an INT8 model changed 0.00 % of the pixels and a class of few
pixels had gone. So every class answers for itself, by its area and by its objects: the 8-connected regions of a class,
as in :mod:`edgeseg.metrics.size_iou`. An object is *lost* when less than half of it has its class in the other mask,
and *invented* when less than half of it had. Regions smaller than :data:`OBJECT_PIXELS` pixels of the network come and
go with rounding and count by their area alone: of the flagship's poles 4 % from 64 pixels on were lost by an INT8 model
that holds its budget, 12 % from 16 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8

Bool = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

OBJECT_PIXELS = 64
LEAST_PIXELS = 16
COUNTS = ("area", "area_after", "objects", "lost", "invented")


@dataclass(frozen=True)
class ClassChange:
    """What became of one class over all pictures.

    Attributes:
        name: of the class.
        area, area_after: pixels in the reference's masks and in the other's.
        objects, lost, invented: regions of the reference, those of them that are gone, and new ones.
    """

    name: str
    area: int
    area_after: int
    objects: int
    lost: int
    invented: int

    @property
    def vanished(self) -> bool:
        """The class was there and is nowhere."""
        return self.area > 0 and self.area_after == 0

    @property
    def percent(self) -> float:
        """The largest of: area lost, objects lost, objects invented, in percent of the reference's; NaN for no area.

        >>> ClassChange("car", 1000, 950, 20, 1, 4).percent, ClassChange("car", 90, 0, 0, 0, 0).percent
        (20.0, 100.0)
        """
        if not self.area:
            return float("nan")
        shares = [1 - self.area_after / self.area]
        if self.objects:
            shares += [self.lost / self.objects, self.invented / self.objects]
        return 100 * max(0.0, *shares)

    @property
    def sentence(self) -> str:
        """Say what happened.

        >>> ClassChange("car", 1000, 950, 20, 1, 4).sentence
        'of the class car 1000 pixels became 950, of 20 objects 1 went and 4 came'
        >>> ClassChange("car", 90, 0, 0, 0, 0).sentence
        'the class car has vanished: 90 pixels in the reference, none now'
        """
        if self.vanished:
            return f"the class {self.name} has vanished: {self.area} pixels in the reference, none now"
        objects = f"of {self.objects} objects {self.lost} went and {self.invented} came"
        return f"of the class {self.name} {self.area} pixels became {self.area_after}, {objects}"


class Changes:
    """Counts changes by class over any number of pictures.

    Args:
        classes: names in label order.
        network_pixels: of the network's input; says how many pixels of a picture are one of the network's.

    >>> counted = Changes(("sky", "car"), 8 * 8)
    >>> before = np.pad(np.ones((8, 8), np.uint8), 4)
    >>> counted.update(before, np.zeros_like(before))
    >>> counted.worst.sentence
    'the class car has vanished: 64 pixels in the reference, none now'
    """

    def __init__(self, classes: Sequence[str], network_pixels: int) -> None:
        self._classes, self._pixels = tuple(classes), network_pixels
        self._images: list[Int64] = []

    def update(self, before: Sequence[Bool] | UInt8, after: Sequence[Bool] | UInt8) -> None:
        """Count one picture.

        Args:
            before, after: HW uint8 labels, or a boolean HW mask for each class.
        """
        pairs = [(_mask(before, label), _mask(after, label)) for label in range(len(self._classes))]
        least = OBJECT_PIXELS * max(1.0, pairs[0][0].size / self._pixels)
        self._images.append(np.array([_count_class(was, now, least) for was, now in pairs], np.int64))

    @property
    def images(self) -> Int64:
        """(N, K, 5) what was counted in each picture, in the order of :data:`COUNTS`."""
        return np.array(self._images, np.int64).reshape(-1, len(self._classes), len(COUNTS))

    @property
    def classes(self) -> tuple[ClassChange, ...]:
        """Totals by class, those that the reference shows."""
        totals = self.images.sum(0)
        found = (ClassChange(name, *map(int, row)) for name, row in zip(self._classes, totals, strict=True))
        return tuple(one for one in found if one.area)

    @property
    def worst(self) -> ClassChange | None:
        """The class that changed most of those with pixels enough to tell (:data:`LEAST_PIXELS`); None for no class."""
        told = [one for one in self.classes if one.area >= LEAST_PIXELS]
        return max(told, key=lambda one: one.percent, default=None)


def _mask(masks: Sequence[Bool] | UInt8, label: int) -> Bool:
    if isinstance(masks, np.ndarray) and masks.ndim == 2:
        return np.asarray(masks == label)
    return np.asarray(masks[label], bool)


def _count_class(was: Bool, now: Bool, least: float) -> tuple[int, int, int, int, int]:
    area, area_after = int(np.count_nonzero(was)), int(np.count_nonzero(now))
    objects, lost = _objects(was, now, least)
    _, invented = _objects(now, was, least)
    return area, area_after, objects, lost, invented


def _objects(mask: Bool, other: Bool, least: float) -> tuple[int, int]:
    """How many regions of ``mask`` there are, and how many of them ``other`` does not show."""
    if not mask.any():
        return 0, 0
    count, numbered = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    areas = np.bincount(numbered[mask], minlength=count)[1:]
    kept = np.bincount(numbered[mask & other], minlength=count)[1:]
    large = areas >= least
    return int(large.sum()), int((large & (2 * kept < areas)).sum())
