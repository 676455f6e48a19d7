"""Every limit of a budget, each by a judge of its own: another limit is another file, and a line here."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement
from edgeseg.proof.judges.change import judge_change
from edgeseg.proof.judges.class_change import judge_class_change
from edgeseg.proof.judges.confidence import judge_confidence
from edgeseg.proof.judges.crossing import judge_crossing
from edgeseg.proof.judges.gain import judge_gain
from edgeseg.proof.judges.not_judged import judge_asked
from edgeseg.proof.judges.outlines import judge_outlines
from edgeseg.proof.judges.unseen_classes import judge_unseen_classes
from edgeseg.proof.judges.whole import judge_whole
from edgeseg.proof.judges.worst_class import judge_worst_class

Judge = Callable[[Comparison, StageScore, Budget], Judgement | None]
"""Judges one limit; None where it does not apply."""

JUDGES: tuple[Judge, ...] = (
    judge_whole,
    judge_worst_class,
    judge_unseen_classes,
    judge_outlines,
    judge_change,
    judge_class_change,
    judge_gain,
    judge_confidence,
    judge_crossing,
)


def judge(comparison: Comparison, stage: StageScore, budget: Budget) -> list[Judgement]:
    """Hold a stage against every limit that applies, the one of the whole first.

    Without masks only ``max_drop`` applies, to the percentage of changed pixels, and ``max_class_change``; where the
    model gives confidence, ``max_confidence_change`` in any case, and ``max_crossing`` where it was asked for. Of a
    class that the truth does not show nothing can be told. What could not be measured is missed.

    >>> from edgeseg.proof.compare import compare
    >>> from edgeseg.proof.stage import Stage
    >>> from edgeseg.proof.samples import synthetic_samples
    >>> from edgeseg.spec import ModelSpec
    >>> import numpy as np
    >>> spec = ModelSpec("multiclass", ("sky", "road"), 64, 64)
    >>> fp32 = Stage("fp32", lambda image: (image[..., 0] < 128).astype(np.uint8))
    >>> int8 = Stage("int8", lambda image: (image[..., 0] < 100).astype(np.uint8))
    >>> found = compare([fp32, int8], synthetic_samples(spec), spec)
    >>> [one.verdict for limit in (5, 30) for one in judge(found, found.stages[1], Budget(max_drop=limit))[:1]]
    ['missed', 'cannot tell']
    """
    applied = (one(comparison, stage, budget) for one in JUDGES)
    found = [judgement for judgement in applied if judgement is not None]
    return [*found, *judge_asked(comparison, budget, {one.field for one in found})]


def list_judgements(comparison: Comparison, budget: Budget) -> dict[str, list[Judgement]]:
    """List what each limit says of every stage but the reference, by name, without limits that allow anything."""
    return {
        stage.name: [one for one in judge(comparison, stage, budget) if math.isfinite(one.limit)]
        for stage in comparison.stages[1:]
    }


def misses(comparison: Comparison, stage: StageScore, budget: Budget) -> list[Judgement]:
    """List the limits that fail a stage: those that are missed, and with ``require_held`` those that are not held."""
    return failures(judge(comparison, stage, budget), budget)


def failures(judgements: list[Judgement], budget: Budget) -> list[Judgement]:
    """Pick the judgements that fail a stage."""
    passing = ("held",) if budget.require_held else ("held", "cannot tell")
    return [one for one in judgements if one.verdict not in passing]
