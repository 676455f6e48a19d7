"""``max_confidence_change``: how far the confidence of any one class may move.

Labels can stay as they are while confidence is crushed: rounding that leaves the sign of a logit and little else. What
a threshold, an event rule or a person reads then means something else. Judged is the class that moved most, over the
pixels that the float model gives it: a mean over the picture would be that of its background.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeseg.metrics.blocks import find_blocks
from edgeseg.metrics.bootstrap import Interval, draw_blocks, resample
from edgeseg.metrics.confidence_change import ConfidenceChange
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement, decide
from edgeseg.proof.judges.certainty import find_one

FIELD = "max_confidence_change"


def judge_confidence(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Judge the class whose confidence moved most; None where a model has no confidence, or shows no class anywhere."""
    if stage.confidence is None or not stage.confidence.change.rows:
        return None
    change = stage.confidence.change
    points = change.class_points
    if np.isnan(points).all():
        return None
    at = int(np.nanargmax(points))
    sure = _find_certainty(comparison, change, at)
    what = f"confidence of {comparison.classes[at]}"
    judged = decide(FIELD, what, budget.max_confidence_change, float(points[at]), sure, comparison.images)
    return replace(judged, said=f"the {what} moved by {points[at]:.2f} points")


def _find_certainty(comparison: Comparison, change: ConfidenceChange, at: int) -> Interval:
    blocks = find_blocks(comparison.reference.images)
    rows = np.array(change.class_rows, np.int64)[:, :, at]
    sums = resample(rows, blocks.of, draw_blocks(blocks.count))
    moved = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
    return find_one(100 * moved / 255, blocks, comparison.looks)
