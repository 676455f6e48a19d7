"""``max_change``: the share of the pixels that change their label, where masks say what they are worth.

mIoU is a difference: what INT8 does better hides what it does worse, and on other pictures the two need not cancel. The
default of 3 % is twice what plain INT8 of a trained road network changes in the worst of its three encodings (1.5 % of
the pixels; docs/results.md), and less than what a network changes that INT8 harms (4.0 % of SINet's, 4.8 % where the
score rose by 0.7). The bootstrap says how sure the share is: of 100 pictures it is known to a tenth of it.
"""

from __future__ import annotations

from dataclasses import replace

from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement, decide
from edgeseg.proof.judges.certainty import find_changed_certainty


def judge_change(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Judge how many pixels changed; None without masks, where ``max_drop`` does, unless it was asked for."""
    if not comparison.labelled and budget.max_change is None:
        return None
    points = 100 * (1 - stage.agreement)
    sure = find_changed_certainty(comparison, stage)
    worst = f", {100 * stage.worst:.2f} in the worst image ({stage.worst_image})" if stage.worst_image else ""
    judged = decide("max_change", f"% of pixels changed{worst}", budget.change(), points, sure, comparison.images)
    return replace(judged, said=f"{points:.2f} % of the pixels changed{worst}", advice=_advise(comparison, judged))


def _advise(comparison: Comparison, judged: Judgement) -> str:
    if judged.verdict == "held":
        return ""
    hidden = "mIoU does not see what changed for the better and for the worse in equal parts. " * comparison.labelled
    return f"{hidden}Look at the images that changed most, or accept it with a larger `max_change`."
