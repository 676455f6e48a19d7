"""Limits that somebody asked for and that nothing can be held against: said, and not passed over."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison
from edgeseg.proof.judgement import Judgement

_NO_MASKS = "there are no masks"
_NO_CONFIDENCE = "the model gives no confidence; export it with a threshold"
_WITHOUT = {
    "max_class_drop": ("worst class", _NO_MASKS),
    "max_boundary_drop": ("boundary IoU", _NO_MASKS),
    "max_gain": ("mIoU gained", _NO_MASKS),
    "max_class_change": ("class changed", "there are masks, and classes are judged by IoU"),
    "max_confidence_change": ("confidence", _NO_CONFIDENCE),
    "max_crossing": ("% of answers crossed", "no threshold decides, or " + _NO_CONFIDENCE),
}


def judge_asked(comparison: Comparison, budget: Budget, judged: Collection[str]) -> Iterator[Judgement]:
    """Give *cannot tell* for each limit that was asked for and that no judge applied.

    Args:
        comparison: what was measured.
        budget: its ``asked`` are the limits in question.
        judged: fields that were judged.
    """
    for field, (what, why) in _WITHOUT.items():
        nothing_gained = field == "max_gain" and comparison.labelled
        if field not in budget.asked or field in judged or nothing_gained:
            continue
        limit = getattr(budget, field)
        yield Judgement(
            field,
            f"{what}, not measured",
            limit,
            math.nan,
            "cannot tell",
            math.inf,
            (-math.inf, math.inf),
            comparison.images,
            said=f"{what} was not measured: {why}",
            advice=f"Leave out `{field}`, which has nothing to be held against.",
        )
