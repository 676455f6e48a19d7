"""``max_crossing``: the share of the answers that lie on the other side of their threshold.

What a threshold decides is what a run shows and event rules count, so a share of it may be asked for by itself; a limit
on changed pixels counts the same pixels among others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeseg.metrics.blocks import find_blocks
from edgeseg.metrics.bootstrap import draw_blocks, resample
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement, decide
from edgeseg.proof.judges.certainty import find_one

FIELD = "max_crossing"


def judge_crossing(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Judge how many answers crossed; None where nobody asked, where no threshold decides, and without confidence."""
    if budget.max_crossing is None or stage.confidence is None or np.isnan(stage.confidence.change.crossing):
        return None
    change = stage.confidence.change
    points = 100 * change.crossing
    blocks = find_blocks(comparison.reference.images)
    sums = resample(np.array(change.rows, np.int64), blocks.of, draw_blocks(blocks.count))
    sure = find_one(100 * sums[:, 2] / sums[:, 1], blocks, comparison.looks)
    judged = decide(FIELD, "% of answers crossed", budget.max_crossing, points, sure, comparison.images)
    return replace(judged, said=f"{points:.3f} % of the answers crossed their threshold")
