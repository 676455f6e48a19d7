"""What a comparison must satisfy before a model is handed over, and how it is told."""

from __future__ import annotations

import math
from dataclasses import replace

from edgeseg.errors import GateFailed
from edgeseg.proof.budget import MAX_CLASS_CHANGE, Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement
from edgeseg.proof.judges.judge import misses
from edgeseg.proof.judges.reference import check_reference
from edgeseg.proof.tables import class_table

MAX_DISAGREEMENT = 0.005


def check_parity(comparison: Comparison) -> None:
    """Check that a float export gives the reference's masks.

    Raises:
        GateFailed: over 0.5 % of an image's pixels have another label; or, with masks, the reference is no better than
            one label everywhere.
    """
    if comparison.labelled:
        check_reference(comparison)
    for stage in comparison.stages[1:]:
        if not stage.worst <= MAX_DISAGREEMENT:
            raise GateFailed(
                f"{stage.name} does not segment what {comparison.reference.name} segments: "
                f"{100 * stage.worst:.2f} % of the pixels of {stage.worst_image} have another label "
                f"(limit {100 * MAX_DISAGREEMENT} %). Nothing was written for it; please report this network.",
                comparison,
            )


def check_budget(comparison: Comparison, budget: Budget) -> None:
    """Check that every stage stays within every limit.

    Raises:
        GateFailed: one did not, or nothing could be scored; with the table of classes. Or see
            :func:`~edgeseg.proof.judges.reference.check_reference`.

    >>> import numpy as np
    >>> from edgeseg.proof.compare import compare
    >>> from edgeseg.proof.stage import Stage
    >>> from edgeseg.proof.samples import synthetic_samples
    >>> from edgeseg.spec import ModelSpec
    >>> spec = ModelSpec("multiclass", ("sky", "road"), 64, 64)
    >>> fp32 = Stage("fp32", lambda image: (image[..., 0] < 128).astype(np.uint8))
    >>> int8 = Stage("int8", lambda image: (image[..., 0] < 100).astype(np.uint8))
    >>> found = compare([fp32, int8], synthetic_samples(spec), spec)
    >>> check_budget(found, Budget(max_drop=30, max_class_change=40))
    >>> check_budget(found, Budget(max_drop=5))
    Traceback (most recent call last):
    edgeseg.errors.GateFailed: int8 changed the label of ... % of the pixels of 6 images without masks; ...
    """
    check_reference(comparison)
    for stage in comparison.stages[1:]:
        if found := misses(comparison, stage, budget):
            raise GateFailed(describe_misses(comparison, stage, found), comparison, found)


def describe_misses(comparison: Comparison, stage: StageScore, found: list[Judgement]) -> str:
    """Say what a stage lost, which limits fail it, what to do about it, and what each class lost."""
    sentence = budget_sentence(comparison, stage, found)
    return f"{sentence} {_advice(comparison, found)}\n{class_table(comparison)}"


def check_drop(comparison: Comparison, max_drop: float, max_class_change: float = MAX_CLASS_CHANGE) -> None:
    """Check that no stage loses more than ``max_drop`` points; see :meth:`Comparison.drop` for of what.

    Without masks no class may change by more than ``max_class_change`` percent either.

    Raises:
        GateFailed: one did, or nothing could be scored; with the table of classes.
    """
    check_budget(comparison, limit_drop(max_drop, max_class_change))


def limit_drop(max_drop: float | None, max_class_change: float = MAX_CLASS_CHANGE, held: bool = False) -> Budget:
    """Make a budget of :func:`check_drop`'s limits alone; with ``held`` they must hold on unseen images too.

    >>> limit_drop(0.5).max_class_drop
    inf
    """
    unlimited = Budget(max_drop, math.inf, math.inf, max_change=math.inf, max_gain=math.inf)
    unlimited = replace(unlimited, max_confidence_change=math.inf)
    return replace(unlimited, max_class_change=max_class_change, require_held=held)


def budget_sentence(comparison: Comparison, stage: StageScore, found: list[Judgement]) -> str:
    """Say what a stage lost, and each limit that it exceeds or that is not held for certain."""
    drop = comparison.drop(stage)
    if comparison.labelled:
        before, after = comparison.reference.confusion.mean_iou, stage.confusion.mean_iou
        what = f"lost {drop:.2f} points of mIoU on {comparison.images} images ({before:.4f} became {after:.4f})"
    else:
        what = f"changed the label of {drop:.2f} % of the pixels of {comparison.images} images without masks"
    whole = [one.limit_sentence for one in found if one.field == "max_drop"]
    others = [str(one) for one in found if one.field != "max_drop"]
    return f"{stage.name} {'; '.join([what, *whole, *others])}."


def _advice(comparison: Comparison, found: list[Judgement]) -> str:
    own = list(dict.fromkeys(one.advice for one in found if one.advice))
    larger = " or ".join(f"`{one.field}`" for one in found if not one.advice)
    if not larger:
        return " ".join(own)
    if comparison.labelled:
        usual = f"Give more, or more typical, images with `data`, or accept the loss with a larger {larger}."
    else:
        usual = f"Give a data folder with masks to measure the real loss in mIoU, or a larger {larger}."
    return " ".join([usual, *own])
