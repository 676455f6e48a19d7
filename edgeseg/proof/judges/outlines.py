"""``max_boundary_drop``: the points of mean boundary IoU that are lost."""

from __future__ import annotations

from edgeseg.metrics.confusion import Float64
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement, decide
from edgeseg.proof.judges.certainty import find_certainty, mean_known, outline_iou


def judge_outlines(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Judge what the outlines lost; None without masks."""
    if not comparison.labelled:
        return None
    sure = find_certainty(comparison, stage, _lost)[0]
    points = comparison.boundary_drop(stage)
    return decide("max_boundary_drop", "boundary IoU", budget.max_boundary_drop, points, sure, comparison.images)


def _lost(before: Float64, after: Float64) -> Float64:
    lost: Float64 = 100 * (mean_known(outline_iou(before)) - mean_known(outline_iou(after)))
    return lost[:, None]
