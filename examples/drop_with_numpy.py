"""Measure without edgeseg what INT8 loses, and how sure that is: points of mIoU with their 95 % interval.

Run it as::

    python examples/drop_with_numpy.py runs/demo/cells-{fp32,int8}-openvino runs/demo/scenes val 3

The interval is a paired bootstrap: pictures are drawn with replacement, in runs of as many neighbours as the last
number says, and the loss is computed again from what both models counted on them. edgeseg's own interval is a little
wider where there are few runs: it takes other percentiles, after T. Hesterberg (arXiv:1411.5279).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from score_with_numpy import run


def main(before: Path, after: Path, data: Path, split: str = "val", length: str = "1") -> None:
    spec = json.loads((before / "edgeseg.json").read_text())["spec"]
    counted = [
        count(run(one, spec, data, split), len(spec["classes"]), spec["ignore_index"]) for one in (before, after)
    ]
    points, (lower, upper) = drop(*counted, int(length))
    print(f"{points:.2f} points of mIoU lost, 95 % interval {lower:.2f} to {upper:.2f}, {len(counted[0])} images")


def count(pairs: Iterable[tuple[Any, Any]], classes: int, ignored: int | None) -> Any:
    """Count, for each image, intersection and union of each class: (N, 2, classes)."""
    found = []
    for predicted, truth in pairs:
        counted = np.ones(truth.shape, bool) if ignored is None else truth != ignored
        masks = [((predicted == k) & counted, (truth == k) & counted) for k in range(classes)]
        found.append([[(a & b).sum() for a, b in masks], [(a | b).sum() for a, b in masks]])
    return np.array(found, np.int64)


def drop(before: Any, after: Any, length: int = 1, levels: tuple[float, float] = (0.025, 0.975)) -> tuple[float, Any]:
    """Give the points of mIoU that are lost, and their interval, from the counts of both models."""
    runs = -(-len(before) // length)
    starts = [len(before) * at // runs for at in range(runs)]
    drawn = np.random.default_rng(0).multinomial(runs, np.full(runs, 1 / runs), size=2000)
    again = [mean_iou(np.tensordot(drawn, np.add.reduceat(one, starts), 1)) for one in (before, after)]
    lost = 100 * (mean_iou(before.sum(0)) - mean_iou(after.sum(0)))
    return float(lost), np.quantile(100 * (again[0] - again[1]), levels)


def mean_iou(sums: Any) -> Any:
    """Give the mean over the classes that occur, of (..., 2, classes) intersections and unions."""
    with np.errstate(invalid="ignore"):
        return np.nanmean(sums[..., 0, :] / sums[..., 1, :], -1)


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 6:
        sys.exit("usage: drop_with_numpy.py FP32-ARTIFACT INT8-ARTIFACT DATA [SPLIT [RUN]]")
    main(*(Path(word) for word in sys.argv[1:4]), *sys.argv[4:])
