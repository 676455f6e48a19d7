"""What a comparison must satisfy before a model is handed over, and how it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeseg.console.text_table import format_table
from edgeseg.errors import GateFailed
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore

MAX_DISAGREEMENT = 0.005


def check_parity(comparison: Comparison) -> None:
    """Check that a float export gives the reference's masks.

    Raises:
        GateFailed: over 0.5 % of an image's pixels have another label.
    """
    for stage in comparison.stages[1:]:
        if not stage.worst <= MAX_DISAGREEMENT:
            raise GateFailed(
                f"{stage.name} does not segment what {comparison.reference.name} segments: "
                f"{100 * stage.worst:.2f} % of the pixels of {stage.worst_image} have another label "
                f"(limit {100 * MAX_DISAGREEMENT} %). Nothing was written for it; please report this network.",
                comparison,
            )


@dataclass(frozen=True)
class Miss:
    """A limit of a budget that a stage exceeded: ``field`` is ``limit``, and ``what`` lost ``points``."""

    field: str
    limit: float
    points: float
    what: str

    def __str__(self) -> str:
        return f"{self.what} lost {self.points:.2f} points; `{self.field}` is {self.limit:g}"


def misses(comparison: Comparison, stage: StageScore, budget: Budget) -> list[Miss]:
    """List the limits that a stage exceeds, the one of the whole first.

    Without masks only ``max_drop`` applies, to the percentage of changed pixels. A class that the
    truth does not show is not judged. What could not be measured is exceeded.
    """
    judged = [("max_drop", budget.points(comparison.labelled), comparison.drop(stage), comparison.drop_of)]
    if comparison.labelled:
        worst, points = worst_class(comparison, stage)
        judged.append(("max_class_drop", budget.max_class_drop, points, f"the class {worst}"))
        outlines = comparison.boundary_drop(stage)
        judged.append(("max_boundary_drop", budget.max_boundary_drop, outlines, "boundary IoU"))
    return [Miss(field, limit, points, what) for field, limit, points, what in judged if not points <= limit]


def worst_class(comparison: Comparison, stage: StageScore) -> tuple[str, float]:
    """Find the class of the truth that lost most, and its points of IoU; NaN when there is none."""
    drops = comparison.class_drops(stage)
    if np.isnan(drops).all():
        return "", math.nan
    at = int(np.nanargmax(drops))
    return comparison.classes[at], float(drops[at])


def check_budget(comparison: Comparison, budget: Budget) -> None:
    """Check that every stage stays within every limit.

    Raises:
        GateFailed: one did not, or nothing could be scored; with the table of classes.

    >>> from edgeseg.proof.compare import Stage, compare
    >>> from edgeseg.proof.samples import synthetic_samples
    >>> from edgeseg.spec import ModelSpec
    >>> spec = ModelSpec("multiclass", ("sky", "road"), 64, 64)
    >>> fp32 = Stage("fp32", lambda image: (image[..., 0] < 128).astype(np.uint8))
    >>> int8 = Stage("int8", lambda image: (image[..., 0] < 100).astype(np.uint8))
    >>> found = compare([fp32, int8], synthetic_samples(spec), spec)
    >>> check_budget(found, Budget(max_drop=30))
    >>> check_budget(found, Budget(max_drop=5))
    Traceback (most recent call last):
    edgeseg.errors.GateFailed: int8 changed the label of ... % of the pixels of 6 images without masks; ...
    """
    for stage in comparison.stages[1:]:
        if found := misses(comparison, stage, budget):
            sentence = budget_sentence(comparison, stage, found)
            message = f"{sentence} {_advice(comparison, found)}\n{class_table(comparison)}"
            raise GateFailed(message, comparison, found)


def check_drop(comparison: Comparison, max_drop: float) -> None:
    """Check that no stage loses more than ``max_drop`` points; see :meth:`Comparison.drop` for of what.

    Raises:
        GateFailed: one did, or nothing could be scored; with the table of classes.
    """
    check_budget(comparison, Budget(max_drop, math.inf, math.inf))


def budget_sentence(comparison: Comparison, stage: StageScore, found: list[Miss]) -> str:
    """Say what a stage lost, and each limit that it exceeds."""
    drop = comparison.drop(stage)
    if comparison.labelled:
        before, after = comparison.reference.confusion.mean_iou, stage.confusion.mean_iou
        what = f"lost {drop:.2f} points of mIoU on {comparison.images} images ({before:.4f} became {after:.4f})"
    else:
        what = f"changed the label of {drop:.2f} % of the pixels of {comparison.images} images without masks"
    whole = [f"`max_drop` is {miss.limit:g}" for miss in found if miss.field == "max_drop"]
    others = [str(miss) for miss in found if miss.field != "max_drop"]
    return f"{stage.name} {'; '.join([what, *whole, *others])}."


def _advice(comparison: Comparison, found: list[Miss]) -> str:
    larger = " or ".join(f"`{miss.field}`" for miss in found)
    if comparison.labelled:
        return f"Give more, or more typical, images with `data`, or accept the loss with a larger {larger}."
    return f"Give a data folder with masks to measure the real loss in mIoU, or a larger {larger}."


def class_table(comparison: Comparison) -> str:
    """Lay out IoU of every class in every stage, and what the last stage lost."""
    names = ["class", *(stage.name for stage in comparison.stages), "drop"]
    drops = comparison.class_drops(comparison.stages[-1])
    rows = [
        [name, *(_number(stage.confusion.iou[i], ".4f") for stage in comparison.stages), _number(drops[i], "+.2f")]
        for i, name in enumerate(comparison.classes)
    ]
    return format_table([names, *rows])


def stage_table(comparison: Comparison) -> str:
    """Lay out agreement, mIoU and drop of every stage.

    >>> from edgeseg.proof.compare import Stage, compare
    >>> from edgeseg.proof.samples import synthetic_samples
    >>> from edgeseg.spec import ModelSpec
    >>> spec = ModelSpec("multiclass", ("sky", "road"), 64, 64)
    >>> dark = Stage("fp32", lambda image: (image[..., 0] < 128).astype(np.uint8))
    >>> print(stage_table(compare([dark], synthetic_samples(spec), spec)))
    stage  pixels as reference  worst image    mIoU  pixels drop  boundary IoU
    fp32             reference               1.0000                     1.0000
    """
    rows = [["stage", "pixels as reference", "worst image", "mIoU", f"{comparison.drop_of} drop", "boundary IoU"]]
    for stage in comparison.stages:
        is_reference = stage is comparison.reference
        rows.append(
            [
                stage.name,
                "reference" if is_reference else f"{100 * stage.agreement:.3f} %",
                "" if is_reference else f"{100 * (1 - stage.worst):.3f} %",
                _number(stage.confusion.mean_iou, ".4f"),
                "" if is_reference else _number(comparison.drop(stage), "+.2f"),
                _number(stage.boundary.mean_iou, ".4f"),
            ]
        )
    return format_table(rows)


def comparison_notes(comparison: Comparison) -> list[str]:
    """Say what a reader of the tables has to know."""
    notes = [f"Skipped in verification: {sentence}" for sentence in comparison.skipped]
    if comparison.proof_note:
        notes.append(comparison.proof_note)
    if not comparison.labelled:
        notes.append(
            f"No masks: mIoU is against the masks of {comparison.reference.name}, not against a truth, and the drop is "
            "the percentage of pixels whose label changed."
        )
    base = comparison.reference.confusion.mean_iou
    if comparison.labelled and base <= _constant_mask_iou(comparison):
        notes.append(
            f"{comparison.reference.name} itself scores mIoU {base:.4f}, no better than one label everywhere. "
            "Check `mean`, `std`, `value_range`, `color_order` and the order of the classes."
        )
    if len(comparison.labels_seen) == 1:
        notes.append(
            f"Every pixel of the {comparison.images} reference masks has one label, so equal masks prove little. "
            "Give images with `data` that show the classes."
        )
    return notes


def _constant_mask_iou(comparison: Comparison) -> float:
    """mIoU of giving every pixel the most frequent label of the masks."""
    pixels = comparison.reference.confusion.counts.sum(1)
    return float(pixels.max() / max(1, pixels.sum()) / max(1, int((pixels > 0).sum())))


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
