"""Whether pictures look like those that INT8 was calibrated and proven on.

An INT8 artifact keeps, in ``report.json``, between what values the brightness, the contrast and the colours of its
calibration and verification images lay (:mod:`edgeseg.image_traits`). A run whose pictures lie outside, by more than
a share of that span, is told so: what was proven says little about them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.image_traits import MEANINGS, TOLERANCE

REPORT = "report.json"
MAX_REPORT_BYTES = 16 << 20
ENOUGH = 5
"""So many pictures tell what a source looks like; fewer are judged more mildly."""
SLACK, SLACK_OF_FEW = 0.25, 0.5
"""How far beyond, as a share of the span. In 30 random divisions each of photos, streets, microscope sections, eyes
and rendered cells, pictures that did not calibrate were called unlike in at most 0.52 % of the cases when judged alone
(28 of 5400 photos, 60 calibrating), and in none of 4110 when judged by five."""


@dataclass(frozen=True)
class TraitRange:
    """Between which values a trait lay in the images that an artifact was made and proven with."""

    name: str
    low: float
    high: float

    def excess(self, value: float, slack: float) -> float:
        """Measure how far ``value`` lies outside, in spans; 0 within the slack."""
        span = self.high - self.low + TOLERANCE
        beyond = max(self.low - value, value - self.high, 0.0)
        return beyond / span if beyond > slack * span + TOLERANCE else 0.0


@dataclass(frozen=True)
class Unlike:
    """A trait in which pictures look like none of calibration.

    Attributes:
        trait: its name.
        value: the median over the pictures.
        low, high: between which it lay in calibration.
        pictures: how many were looked at.
    """

    trait: str
    value: float
    low: float
    high: float
    pictures: int

    def __str__(self) -> str:
        meaning = MEANINGS[self.trait]
        return f"{self.trait} ({meaning}) is {self.value:.0f}, calibration had {self.low:.0f} to {self.high:.0f}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "trait": self.trait,
            "value": round(self.value, 2),
            "low": self.low,
            "high": self.high,
            "pictures": self.pictures,
        }


def trait_ranges(artifact: Artifact) -> tuple[TraitRange, ...]:
    """Read what the artifact's report says; nothing where there is no report, or none that tells."""
    path = artifact.path / REPORT
    if artifact.precision != "int8" or REPORT not in artifact.files or path.stat().st_size > MAX_REPORT_BYTES:
        return ()
    try:
        traits = json.loads(path.read_text(encoding="utf-8"))["coverage"]["traits"]
        return tuple(_range(trait) for trait in traits)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def judge(ranges: Sequence[TraitRange], rows: Sequence[Sequence[float]]) -> list[Unlike]:
    """Find in which traits the pictures are unlike, the one that is furthest away first.

    Args:
        ranges: of calibration.
        rows: a value for each range, a row a picture.
    """
    slack = SLACK if len(rows) >= ENOUGH else SLACK_OF_FEW
    medians = np.median(np.asarray(rows, np.float64), 0)
    found = [
        (trait.excess(float(value), slack), Unlike(trait.name, float(value), trait.low, trait.high, len(rows)))
        for trait, value in zip(ranges, medians, strict=True)
    ]
    return [one for excess, one in sorted(found, key=lambda pair: -pair[0]) if excess > 0]


def _range(trait: Mapping[str, Any]) -> TraitRange:
    if trait["name"] not in MEANINGS:
        raise ValueError(f"there is no trait {trait['name']}")
    sides = [side for side in (trait["calibration"], trait["reference"]) if side]
    low, high = min(float(side["min"]) for side in sides), max(float(side["max"]) for side in sides)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("a range ends nowhere")
    return TraitRange(str(trait["name"]), low, high)
