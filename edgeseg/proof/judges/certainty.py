"""The images of a comparison drawn again and again, for judges that say how sure a figure is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeseg.metrics.blocks import Blocks, find_blocks
from edgeseg.metrics.bootstrap import Interval, draw_blocks, find_interval, resample
from edgeseg.metrics.confusion import Float64
from edgeseg.metrics.image_counts import PARTS
from edgeseg.proof.compare import Comparison, StageScore


def find_certainty(
    comparison: Comparison, stage: StageScore, lost: Callable[[Float64, Float64], Float64]
) -> list[Interval]:
    """Say how sure each of some figures is.

    Args:
        comparison: its reference is what ``stage`` is compared with.
        stage: one of its stages.
        lost: from the (R, 5, K) sums of counts of the reference and of the stage (see
            :data:`~edgeseg.metrics.image_counts.PARTS`) over R draws of the images to (R, M) figures.

    Returns:
        An interval for each of the M figures.
    """
    before, after = comparison.reference.images.table, stage.images.table
    blocks = find_blocks(comparison.reference.images)
    drawn = draw_blocks(blocks.count)
    figures = lost(resample(before, blocks.of, drawn), resample(after, blocks.of, drawn))
    return [find_one(figures[:, i], blocks, comparison.looks) for i in range(figures.shape[1])]


def find_changed_certainty(comparison: Comparison, stage: StageScore) -> Interval:
    """Say how sure the percentage of changed pixels is."""
    blocks = find_blocks(comparison.reference.images)
    counts = np.array([stage.images.changed, stage.images.pixels], np.int64).T
    sums = resample(counts, blocks.of, draw_blocks(blocks.count))
    return find_one(100 * sums[:, 0] / sums[:, 1], blocks, comparison.looks)


def find_one(figures: Float64, blocks: Blocks, looks: int) -> Interval:
    """Read an interval off the figures of many draws of blocks, (R,), found after so many looks at them."""
    found = find_interval(figures, blocks.count, looks)
    return replace(found, sequences=blocks.sequences if blocks.are_few_sequences else 0)


def class_iou(sums: Float64) -> Float64:
    """Compute the IoU of each class, (R, K), of (R, 5, K) sums; NaN where neither truth nor prediction has it."""
    hits, truth, predicted = (sums[:, PARTS.index(name)] for name in ("hits", "truth", "predicted"))
    return _ratio(hits, truth + predicted - hits)


def outline_iou(sums: Float64) -> Float64:
    """Compute the boundary IoU of each class, (R, K), of (R, 5, K) sums."""
    return _ratio(sums[:, PARTS.index("intersection")], sums[:, PARTS.index("union")])


def mean_known(values: Float64) -> Float64:
    """Compute the mean over the classes that occur, (R,); NaN where none does."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(1)
    return np.asarray(np.divide(total, known.sum(1), out=np.full(len(values), np.nan), where=known.any(1)))


def _ratio(top: Float64, bottom: Float64) -> Float64:
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))
