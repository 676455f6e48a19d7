"""What the confidence of one form of a model is worth: against the reference's, and against masks if there are any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeseg.image import UInt8
from edgeseg.metrics.confidence_change import ConfidenceChange
from edgeseg.metrics.reliability import Bool, Reliability
from edgeseg.multilabel import unpack_planes
from edgeseg.runtime.engines.predictor import Examined
from edgeseg.spec import ModelSpec


@dataclass
class ConfidenceScore:
    """Confidence of one stage.

    Attributes:
        task: says what is stated: that the label is right (``multiclass``), that a pixel is foreground (``binary``), or
            that it shows a class (``multilabel``).
        change: how far it lies from the reference's.
        reliability: how far it can be believed; empty without masks.
    """

    task: str
    change: ConfidenceChange
    reliability: Reliability = field(default_factory=Reliability)

    @classmethod
    def of(cls, spec: ModelSpec) -> ConfidenceScore:
        """Begin to count for a model; where no threshold decides, none is crossed."""
        decides = spec.task != "multiclass" or spec.has_threshold
        least = np.array([math.floor(one * 255 + 0.5) for one in spec.class_thresholds], np.uint8)
        return cls(spec.task, ConfidenceChange(spec.num_classes, least if decides else None))

    def count(self, stage: Examined, reference: Examined, truth: UInt8 | None, ignore_index: int | None) -> None:
        """Add one image, where both have confidence.

        Args:
            stage, reference: what they say, at the image's size.
            truth: HW uint8 mask, or None.
            ignore_index: value of it that does not count, or None.
        """
        if stage.confidence is None or reference.confidence is None:
            return
        self.change.update((reference.plain, reference.confidence), (stage.plain, stage.confidence))
        if truth is not None:
            known = np.ones(truth.shape, bool) if ignore_index is None else truth != ignore_index
            right = self._find_right(stage.plain, truth)
            self.reliability.update(stage.confidence[..., known], right[..., known])

    def _find_right(self, plain: UInt8, truth: UInt8) -> Bool:
        if self.task == "multilabel":
            return np.asarray(unpack_planes(truth, self.change.num_classes) == 1)
        return np.asarray(truth == 1 if self.task == "binary" else truth == plain)

    @property
    def worst_points(self) -> float | None:
        """Points by which the class that moved most moved; None where there is no confidence, or no class anywhere."""
        known = self.change.class_points[~np.isnan(self.change.class_points)] if self.change.rows else ()
        return float(max(known)) if len(known) else None

    def describe(self, classes: Sequence[str]) -> dict[str, Any] | None:
        """Return figures for JSON, in points (0..100), percent and shares; None where there is no confidence."""
        if not self.change.rows:
            return None
        points = dict(zip(classes, self.change.class_points.tolist(), strict=True))
        return {
            "mean_change_points": self.change.mean_points,
            "class_change_points": {name: None if math.isnan(value) else value for name, value in points.items()},
            "crossing_percent": _percent(self.change.crossing),
            "calibration_error": None if math.isnan(self.reliability.error) else self.reliability.error,
            "reliability": [one.to_dict() for one in self.reliability.bins()],
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, from which :meth:`from_dict` makes it again."""
        return {"task": self.task, "change": self.change.to_dict(), "reliability": self.reliability.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ConfidenceScore:
        """Read what :meth:`to_dict` gave."""
        change, reliability = values["change"], values["reliability"]
        return cls(values["task"], ConfidenceChange.from_dict(change), Reliability.from_dict(reliability))


def _percent(share: float) -> float | None:
    return None if math.isnan(share) else 100 * share
