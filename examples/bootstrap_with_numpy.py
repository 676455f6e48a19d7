"""Repeat the bootstrap of a proof from its counts, without edgeseg, without the pictures and without the network.

Run it as::

    python examples/bootstrap_with_numpy.py runs/demo/cells-int8-openvino

`images.json` of an artifact holds what every picture of its proof gave: for the reference and for the artifact the
pixels that are right, true and predicted by class, intersection and union of their outlines, and the pixels whose label
changed. Names and SHA-256 of the pictures stand beside them, and which of them are drawn together.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np


def main(artifact: Path) -> None:
    record = json.loads((artifact / "images.json").read_text(encoding="utf-8"))
    before, after = (np.array(stage["images"]["rows"], float) for stage in record["stages"])  # (N, 5, classes)
    changed = np.array([record["stages"][1]["images"]["changed"], record["images"]["pixels"]], float).T  # (N, 2)
    shares = {"% of pixels changed": lambda drawn: 100 * np.divide(*again(changed, drawn, record).T)}
    if record["labelled"]:
        for name, iou in (("mIoU", area_iou), ("boundary IoU", outline_iou)):
            shares[name] = lambda drawn, iou=iou: (
                100
                * (np.nanmean(iou(again(before, drawn, record)), 1) - np.nanmean(iou(again(after, drawn, record)), 1))
            )
    for name, lost in shares.items():
        print(name, describe(lost, record))


def describe(lost: Any, record: Any) -> str:
    """Measure on all pictures once, and on as many drawn ones 2000 times."""
    blocks, looks = record["blocks"]["count"], record["looks"]
    points = lost(np.ones((1, blocks)))[0]
    if blocks < 8:
        return f"{points:+.2f}, too few pictures to say how sure"
    drawn = np.random.default_rng(0).multinomial(blocks, np.full(blocks, 1 / blocks), size=2000)
    figures = lost(drawn)
    both, one = (level(1 - wrong / looks, blocks) for wrong in (0.025, 0.05))
    lower, upper, bound = np.quantile(figures[np.isfinite(figures)], [1 - both, both, one])
    return f"{points:+.2f} {lower:+.2f} and {upper:+.2f} {bound:+.2f}"


def again(counts: Any, drawn: Any, record: Any) -> Any:
    """Sum counts of pictures, (N, ...), over the blocks of each draw: (draws, ...)."""
    of_block = np.zeros((drawn.shape[1], *counts.shape[1:]))
    np.add.at(of_block, record["blocks"]["of"], counts)
    return np.tensordot(drawn.astype(float), of_block, 1)


def area_iou(sums: Any) -> Any:
    """Give IoU of each class from right, true and predicted pixels; NaN where neither has the class."""
    right, true, predicted = sums[:, 0], sums[:, 1], sums[:, 2]
    with np.errstate(invalid="ignore"):
        return right / (true + predicted - right)


def outline_iou(sums: Any) -> Any:
    """Give boundary IoU of each class."""
    with np.errstate(invalid="ignore"):
        return sums[:, 3] / sums[:, 4]


def level(wanted: float, blocks: int) -> float:
    """Widen a level of the percentiles for few blocks, as T. Hesterberg proposes (arXiv:1411.5279, section 3.4)."""
    z, n = NormalDist().inv_cdf(wanted), blocks - 1
    student = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
    student += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    student += (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    return NormalDist().cdf(math.sqrt(blocks / (blocks - 1)) * student)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: bootstrap_with_numpy.py ARTIFACT")
    main(Path(sys.argv[1]))
