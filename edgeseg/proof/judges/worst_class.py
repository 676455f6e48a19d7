"""``max_class_drop``: the points of IoU that any one class may lose.

*Held* says that no class loses more. Each class has a bound of its own, at the full level and without a correction for
their number: were one class truly over the limit, all bounds could lie within it only if that class's did, which
happens in 5 of 100 measurements whatever the others do (an intersection-union test; R. Berger, "Multiparameter
hypothesis testing and acceptance sampling", 1982). Resampling the largest of all losses instead would add the noise of
every class to it, and tell less.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgeseg.metrics.blocks import find_blocks
from edgeseg.metrics.bootstrap import LEAST_BLOCKS, Interval, unknown
from edgeseg.metrics.confusion import Float64
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement, decide
from edgeseg.proof.judges.certainty import class_iou, find_certainty


def worst_class(comparison: Comparison, stage: StageScore) -> tuple[str, float]:
    """Find the class of the truth that lost most, and its points of IoU; NaN when there is none."""
    drops = comparison.class_drops(stage)
    if np.isnan(drops).all():
        return "", math.nan
    at = int(np.nanargmax(drops))
    return comparison.classes[at], float(drops[at])


def judge_worst_class(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Judge the class that lost most, or, where none lost too much, the one that is least sure; None without masks."""
    if not comparison.labelled:
        return None
    each = judge_classes(comparison, stage, budget.max_class_drop)
    if not each:
        return _judge_class("none shown", budget.max_class_drop, math.nan, unknown(0), comparison.images)
    worst = max(each, key=lambda one: one.points)
    unsure = max(each, key=lambda one: one.upper)
    if worst.verdict == "missed" or unsure.verdict == "held":
        return replace(worst, upper=unsure.upper) if worst.verdict == "held" else worst
    return unsure


def judge_classes(comparison: Comparison, stage: StageScore, limit: float) -> list[Judgement]:
    """Judge each class that the truth shows, by itself."""
    drops, sure = comparison.class_drops(stage), _find_intervals(comparison, stage)
    return [
        _judge_class(name, limit, float(drop), certain, comparison.images)
        for name, drop, certain in zip(comparison.classes, drops, sure, strict=True)
        if not math.isnan(drop)
    ]


def _judge_class(name: str, limit: float, points: float, sure: Interval, images: int) -> Judgement:
    judged = decide("max_class_drop", f"worst class, {name}", limit, points, sure, images)
    return replace(judged, said=f"the class {name} lost {points:.2f} points")


def _find_intervals(comparison: Comparison, stage: StageScore) -> list[Interval]:
    """Of each class; not known for one that fewer than eight blocks of images show."""
    blocks = np.array(find_blocks(comparison.reference.images).of)
    showing = [len(np.unique(blocks[shown])) for shown in stage.images.part("truth").T > 0]
    sure = find_certainty(comparison, stage, _lost)
    return [one if count >= LEAST_BLOCKS else unknown(count) for one, count in zip(sure, showing, strict=True)]


def _lost(before: Float64, after: Float64) -> Float64:
    return np.asarray(100 * (class_iou(before) - class_iou(after)))
