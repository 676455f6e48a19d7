"""``max_drop``: the points of mIoU that are lost, or the share of pixels that changes where there are no masks."""

from __future__ import annotations

from edgeseg.metrics.confusion import Float64
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement, decide
from edgeseg.proof.judges.certainty import class_iou, find_certainty, find_changed_certainty, mean_known


def judge_whole(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement:
    """Judge what is lost over all classes."""
    limit, points = budget.points(comparison.labelled), comparison.drop(stage)
    if comparison.labelled:
        sure = find_certainty(comparison, stage, lose_miou)[0]
    else:
        sure = find_changed_certainty(comparison, stage)
    what = "mIoU" if comparison.labelled else "pixels changed"
    return decide("max_drop", what, limit, points, sure, comparison.images)


def lose_miou(before: Float64, after: Float64) -> Float64:
    """Compute the points of mIoU lost, (R, 1), from sums of counts (R, 5, K) before and after."""
    lost: Float64 = 100 * (mean_known(class_iou(before)) - mean_known(class_iou(after)))
    return lost[:, None]
