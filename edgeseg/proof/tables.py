"""The tables of a comparison, and what their reader has to know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgeseg.console.text_table import format_table
from edgeseg.proof.compare import Comparison


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

    >>> import numpy as np
    >>> from edgeseg.proof.compare import compare
    >>> from edgeseg.proof.stage import Stage
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


def confidence_table(comparison: Comparison) -> str:
    """Lay out how far the confidence of each stage moved, and how far it can be believed; empty where there is none.

    Moved is the mean absolute difference from the reference, in points; crossed is the share of the pixels that lie on
    the other side of the threshold; ECE is the expected calibration error against the masks, 0..1.
    """
    heads = ["confidence", "moved", "class that moved most", "crossed the threshold", "ECE"]
    described = [(one, one.confidence and one.confidence.describe(comparison.classes)) for one in comparison.stages]
    rows = [_confidence_row(one.name, found, one is comparison.reference) for one, found in described if found]
    return format_table([heads, *rows]) if rows else ""


def _confidence_row(name: str, found: Mapping[str, Any], is_reference: bool) -> list[str]:
    error = _given(found["calibration_error"], ".4f")
    if is_reference:
        return [name, "reference", "", "", error]
    known = {one: points for one, points in found["class_change_points"].items() if points is not None}
    most = max(known, key=known.__getitem__, default=None)
    moved = [f"{found['mean_change_points']:.2f}", "-" if most is None else f"{most} {known[most]:.2f}"]
    return [name, *moved, _given(found["crossing_percent"], ".3f", " %"), error]


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
    elif comparison.unseen:
        notes.append(
            f"No mask of the {comparison.images} images shows {', '.join(comparison.unseen)}: nothing is known of "
            "that, and no limit is held for it."
        )
    if len(comparison.labels_seen) == 1:
        notes.append(
            f"Every pixel of the {comparison.images} reference masks has one label, so equal masks prove little. "
            "Give images with `data` that show the classes."
        )
    return notes


def _given(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else format(value, form) + unit


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
