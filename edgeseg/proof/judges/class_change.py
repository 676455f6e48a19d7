"""``max_class_change``: how much of any one class may go, or of its objects go or come, where there are no masks.

The percentage of changed pixels, which ``max_drop`` limits there, says nothing about a class of few pixels. A class
that went from every picture fails whatever its share of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeseg.metrics.blocks import find_blocks
from edgeseg.metrics.bootstrap import LEAST_BLOCKS, Interval, draw_blocks, resample, unknown
from edgeseg.metrics.class_changes import LEAST_PIXELS, ClassChange, find_worst
from edgeseg.metrics.confusion import Float64
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.judgement import Judgement, decide
from edgeseg.proof.judges.certainty import find_one

ADVICE = (
    "Give pictures in which the class is larger, or a data folder with masks to measure the real loss; or accept it "
    "with a larger `max_class_change`."
)


def judge_class_change(comparison: Comparison, stage: StageScore, budget: Budget) -> Judgement | None:
    """Judge the class that changed most; None with masks, and where the reference shows no class."""
    if comparison.labelled or (worst := find_worst(list_changes(comparison, stage))) is None:
        return None
    at = comparison.classes.index(worst.name)
    sure = _find_interval(comparison, stage, at)
    what = f"class changed, {worst.name}"
    judged = decide("max_class_change", what, budget.max_class_change, worst.percent, sure, comparison.images)
    if worst.vanished and judged.verdict != "missed":
        judged = replace(judged, verdict="missed")
    return replace(judged, said=str(worst), advice=ADVICE)


def list_changes(comparison: Comparison, stage: StageScore) -> list[ClassChange]:
    """List what became of every class that the reference shows; none with masks."""
    if not stage.images.objects:
        return []
    areas = [stage.images.part(name).sum(0) for name in ("truth", "predicted")]
    rows = np.array([*areas, *np.array(stage.images.objects).sum(0)]).T
    found = (ClassChange(name, *map(int, row)) for name, row in zip(comparison.classes, rows, strict=True))
    return [one for one in found if one.area]


def _find_interval(comparison: Comparison, stage: StageScore, at: int) -> Interval:
    """How sure the change of class number ``at`` is; not known when fewer than eight blocks of images show it."""
    images = stage.images
    counts = np.concatenate([images.table[:, 1:3, at], np.array(images.objects)[:, :, at]], 1)
    blocks = find_blocks(comparison.reference.images)
    showing = len(np.unique(np.array(blocks.of)[counts[:, 0] > 0]))
    if showing < LEAST_BLOCKS:
        return unknown(showing)
    return find_one(_percent(resample(counts, blocks.of, draw_blocks(blocks.count))), blocks, comparison.looks)


def _percent(sums: Float64) -> Float64:
    """Like :attr:`ClassChange.percent`, of (R, 5) sums."""
    area, after, objects, went, came = sums.T
    shares = np.array([1 - after / np.maximum(area, 1), *(part / np.maximum(objects, 1) for part in (went, came))])
    return np.where(area >= LEAST_PIXELS, 100 * np.maximum(shares.max(0), 0), np.nan)
