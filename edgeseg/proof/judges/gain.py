"""``max_gain``: the points of mIoU that INT8 may gain beyond what chance gives.

Rounding is noise, and noise does not make a network better. A gain is honest while the images cannot tell it from
none, or while it is small: the flagship gained 0.29 points on 101 pictures, chosen as the best of fifteen models, and
0.21 on 233 that chose nothing. A gain over the limit whose lower bound (95 %) is over zero has another cause: masks
that ignore the class in question, float masks that are wrong, a reference that was read with the wrong colours.
"""

from __future__ import annotations

from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement
from edgeseg.proof.judges.whole import judge_whole

ADVICE = (
    "INT8 cannot be better than the network that it rounds. Look at the masks (is a class ignored?), at the classes "
    "that gained, and at `mean`, `std`, `value_range` and `color_order` of the float model; or accept it with a larger "
    "`max_gain`."
)


def judge_gain(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Judge a gain over the limit: missed when it is more than chance, else held; None for less, and without masks."""
    limit = budget.gain()
    gained = -comparison.drop(stage) if comparison.labelled else 0.0
    if not gained > limit:
        return None
    whole = judge_whole(comparison, stage, budget)
    return Judgement(
        "max_gain",
        "mIoU gained",
        limit,
        gained,
        "missed" if whole.upper < 0 else "held",
        -whole.interval[0],
        (-whole.interval[1], -whole.interval[0]),
        comparison.images,
        said=f"mIoU gained {gained:.2f} points, more than chance gives",
        advice=ADVICE,
    )
