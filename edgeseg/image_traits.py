"""What an image looks like in a few numbers, and how much of one set of images another covers.

INT8 ranges come from the calibration images; what lies outside them is clipped. So the measure
is the *range coverage* of a trait (brightness, contrast, colour, ...): the share of the reference
images whose value lies between the smallest and the largest of the calibration images, give or
take two levels. Of N images drawn at random from the reference, the range covers (N - 1) / (N + 1)
on average: 0.98 for 100 and 0.78 for 8, which is why few images warn. Beside it stands the
*spread*, the width between the 10th and the 90th percentile as a share of the reference's, which
does not reward a single outlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edgeseg.given import checked
from edgeseg.image import UInt8

SIDE = 256
TOLERANCE = 2.0
LEAST_INSIDE = 0.90
LEAST_SPREAD = 0.5
GREY_TRAITS = ("brightness", "contrast", "shadows", "highlights")
COLOR_TRAITS = ("saturation", "green-red", "blue-yellow")
MEANINGS = {
    "brightness": "mean grey level",
    "contrast": "standard deviation of grey",
    "shadows": "1st percentile of grey",
    "highlights": "99th percentile of grey",
    "saturation": "mean chroma of Lab",
    "green-red": "mean a* of Lab",
    "blue-yellow": "mean b* of Lab",
}


@dataclass(frozen=True)
class Trait:
    """One property of an image, over the calibration and the reference images.

    Attributes:
        name: one of :data:`MEANINGS`.
        calibration: its value in each calibration image.
        reference: its value in each reference image; empty where there are none.
    """

    name: str
    calibration: tuple[float, ...]
    reference: tuple[float, ...] = ()

    @property
    def inside(self) -> float | None:
        """Range coverage, 0..1: share of reference images that lie within the calibration images."""
        if not self.reference:
            return None
        low, high = min(self.calibration) - TOLERANCE, max(self.calibration) + TOLERANCE
        return float(np.mean([low <= value <= high for value in self.reference]))

    @property
    def spread(self) -> float | None:
        """Width between the 10th and the 90th percentile, as a share of the reference's."""
        if not self.reference:
            return None
        return (_width(self.calibration) + TOLERANCE) / (_width(self.reference) + TOLERANCE)

    @property
    def thin(self) -> bool:
        """Known to show too little of the reference."""
        inside, spread = self.inside, self.spread
        return inside is not None and spread is not None and (inside < LEAST_INSIDE or spread < LEAST_SPREAD)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "meaning": MEANINGS[self.name],
            "calibration": _figures(self.calibration),
            "reference": _figures(self.reference),
            "range_coverage": _round(self.inside),
            "spread": _round(self.spread),
        }


@checked
def measure_traits(image: UInt8, names: tuple[str, ...] = (*GREY_TRAITS, *COLOR_TRAITS)) -> tuple[float, ...]:
    """Measure :data:`MEANINGS` of one HWC uint8 BGR image, in the order of ``names``.

    The image is brought to at most 256 pixels a side before, so that noise of single pixels and
    the size of the image do not count.
    """
    scale = SIDE / max(image.shape[:2])
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB).reshape(-1, 3)
    dark, bright = np.percentile(grey, (1, 99))
    chroma = np.hypot(lab[:, 1], lab[:, 2]).mean()
    found = (grey.mean(), grey.std(), dark, bright, chroma, lab[:, 1].mean(), lab[:, 2].mean())
    values = dict(zip(MEANINGS, map(float, found), strict=True))
    return tuple(values[name] for name in names)


def _figures(values: tuple[float, ...]) -> Mapping[str, float] | None:
    if not values:
        return None
    places = {"min": 0, "p10": 10, "median": 50, "p90": 90, "max": 100}
    return {name: round(float(np.percentile(values, at)), 2) for name, at in places.items()}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _width(values: tuple[float, ...]) -> float:
    low, high = np.percentile(values, (10, 90))
    return float(high - low)
