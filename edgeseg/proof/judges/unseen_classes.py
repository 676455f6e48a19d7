"""Classes that no mask shows: whatever became of them, no limit of a class is held for them."""

from __future__ import annotations

import math

from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement


def judge_unseen_classes(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Say that nothing is known of the classes that no mask shows; None where each is shown, and without masks."""
    unseen = comparison.unseen
    if not comparison.labelled or not unseen:
        return None
    names = ", ".join(unseen)
    return Judgement(
        "max_class_drop",
        f"never shown, {names}",
        budget.max_class_drop,
        math.nan,
        "cannot tell",
        math.inf,
        (-math.inf, math.inf),
        comparison.images,
        said=f"no mask shows {names}",
        advice=f"Give images with `data` whose masks show {names}.",
    )
