"""What a training run leaves for people: results.csv, results.json, curves.png, val_batch.png."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeseg.draw import color_table, colorize, contact_sheet, overlay
from edgeseg.files.atomic import atomic_file
from edgeseg.image import UInt8
from edgeseg.legend import draw_legend
from edgeseg.metrics.confusion import Confusion
from edgeseg.spec import ModelSpec

Row = dict[str, float]
Sample = tuple[UInt8, UInt8, UInt8]


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write all epochs so far, one line each; an epoch that was not validated has an empty miou."""
    with atomic_file(path) as staged, staged.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "" if math.isnan(value) else f"{value:.6g}" for key, value in row.items()})


def describe_scores(confusion: Confusion, classes: Sequence[str]) -> dict[str, Any]:
    """Return the mIoU and each class's IoU; None for a class in neither truth nor prediction."""
    found = zip(classes, confusion.iou.tolist(), strict=True)
    iou = {name: None if math.isnan(value) else value for name, value in found}
    return {"miou": confusion.mean_iou, "iou": iou}


def write_results(path: Path, values: Mapping[str, Any]) -> None:
    """Write the run's figures as JSON."""
    with atomic_file(path) as staged:
        staged.write_text(json.dumps(values, indent=1, default=str) + "\n", encoding="utf-8")


def write_curves(path: Path, rows: Sequence[Row]) -> None:
    """Draw loss and mIoU over the epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    left = figure.add_subplot()
    epochs = [row["epoch"] for row in rows]
    left.plot(epochs, [row["loss"] for row in rows], color="tab:blue")
    left.set_xlabel("epoch")
    left.set_ylabel("training loss", color="tab:blue")
    scored = [(row["epoch"], row["miou"]) for row in rows if not math.isnan(row["miou"])]
    right = left.twinx()
    right.plot([e for e, _ in scored], [m for _, m in scored], color="tab:orange", marker=".")
    right.set_ylabel("val mIoU", color="tab:orange")
    with atomic_file(path) as staged:
        figure.savefig(staged, dpi=110, format="png")


def write_samples(path: Path, samples: Sequence[Sample], spec: ModelSpec) -> None:
    """Draw image, truth and prediction side by side; void is black."""
    table = color_table(spec)
    rows = [_draw(sample, table) for sample in samples]
    draw_legend(rows[0][2], spec)
    picture = contact_sheet(rows, ("image", "truth", "prediction"), 360)
    with atomic_file(path) as staged:
        staged.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def _draw(sample: Sample, table: UInt8) -> list[UInt8]:
    image, truth, labels = sample
    return [image, colorize(truth, table), np.ascontiguousarray(overlay(image, labels, table, 0.6))]
