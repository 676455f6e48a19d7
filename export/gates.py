"""What a comparison must satisfy before a model is handed over, and how it is told."""

from __future__ import annotations

import math

from edgeseg.errors import GateFailed, UserError
from edgeseg.export.compare import Comparison, StageScore
from edgeseg.export.samples import Samples

MAX_DISAGREEMENT = 0.005
MAX_DROP = 0.5
MAX_DROP_UNLABELLED = 5.0


def drop_limit(asked: float | None, samples: Samples) -> float:
    """Points that may be lost: what was asked, else 0.5 of mIoU, or 5 % of pixels without masks.

    INT8 moves edges by a pixel, which costs next to nothing against a truth but changes 1 % of a
    road scene's labels and 4 % of a portrait's; a broken INT8 model changes far more than 5 %.
    """
    if asked is not None:
        if not asked >= 0:
            raise UserError(f"--max-drop is a number of points, 0 or more; found {asked}.")
        return asked
    return MAX_DROP if samples.labelled else MAX_DROP_UNLABELLED


def check_parity(comparison: Comparison) -> None:
    """A float export must give the reference's masks.

    Raises:
        GateFailed: over 0.5 % of an image's pixels have another label.
    """
    for stage in comparison.stages[1:]:
        if not stage.worst <= MAX_DISAGREEMENT:
            raise GateFailed(
                f"{stage.name} does not segment what {comparison.reference.name} segments: "
                f"{100 * stage.worst:.2f} % of the pixels of {stage.worst_image} have another label "
                f"(limit {100 * MAX_DISAGREEMENT} %). Nothing was written for it; please report this network."
            )


def check_drop(comparison: Comparison, max_drop: float) -> None:
    """No stage may lose more than ``max_drop`` points; see :meth:`Comparison.drop` for of what.

    Raises:
        GateFailed: one did, or nothing could be scored; with the table of classes.
    """
    for stage in comparison.stages[1:]:
        drop = comparison.drop(stage)
        if not drop <= max_drop:
            raise GateFailed(_drop_sentence(comparison, stage, max_drop))


def _drop_sentence(comparison: Comparison, stage: StageScore, max_drop: float) -> str:
    drop = comparison.drop(stage)
    if comparison.labelled:
        before, after = comparison.reference.confusion.mean_iou, stage.confusion.mean_iou
        what = f"lost {drop:.2f} points of mIoU on {comparison.images} images ({before:.4f} became {after:.4f})"
        advice = "Give more, or more typical, images with --data, or accept the loss with a larger --max-drop."
    else:
        what = f"changed the label of {drop:.2f} % of the pixels of {comparison.images} images without masks"
        advice = "Give a data folder with masks to measure the real loss in mIoU, or a larger --max-drop."
    return f"{stage.name} {what}; --max-drop is {max_drop:g}. {advice}\n{class_table(comparison)}"


def class_table(comparison: Comparison) -> str:
    """IoU of every class in every stage, and what the last stage lost."""
    names = ["class", *(stage.name for stage in comparison.stages), "drop"]
    drops = comparison.class_drops(comparison.stages[-1])
    rows = [
        [name, *(_number(stage.confusion.iou[i], ".4f") for stage in comparison.stages), _number(drops[i], "+.2f")]
        for i, name in enumerate(comparison.classes)
    ]
    return table([names, *rows])


def stage_table(comparison: Comparison) -> str:
    """Agreement, mIoU and drop of every stage."""
    rows = [["stage", "pixels as reference", "worst image", "mIoU", f"{comparison.drop_of} drop"]]
    for stage in comparison.stages:
        is_reference = stage is comparison.reference
        rows.append(
            [
                stage.name,
                "reference" if is_reference else f"{100 * stage.agreement:.3f} %",
                "" if is_reference else f"{100 * (1 - stage.worst):.3f} %",
                _number(stage.confusion.mean_iou, ".4f"),
                "" if is_reference else _number(comparison.drop(stage), "+.2f"),
            ]
        )
    return table(rows)


def comparison_notes(comparison: Comparison) -> list[str]:
    """What a reader of the tables has to know."""
    notes = [f"Skipped in verification: {sentence}" for sentence in comparison.skipped]
    if not comparison.labelled:
        notes.append(
            f"No masks: mIoU is against the masks of {comparison.reference.name}, not against a truth, and the drop is "
            "the percentage of pixels whose label changed."
        )
    base = comparison.reference.confusion.mean_iou
    if comparison.labelled and base <= _constant_mask_iou(comparison):
        notes.append(
            f"{comparison.reference.name} itself scores mIoU {base:.4f}, no better than one label everywhere. "
            "Check mean, std, --value-range, --color-order and the order of the classes."
        )
    if len(comparison.labels_seen) == 1:
        notes.append(
            f"Every pixel of the {comparison.images} reference masks has one label, so equal masks prove little. "
            "Give images with --data that show the classes."
        )
    return notes


def _constant_mask_iou(comparison: Comparison) -> float:
    """mIoU of giving every pixel the most frequent label of the masks."""
    pixels = comparison.reference.confusion.counts.sum(1)
    return float(pixels.max() / max(1, pixels.sum()) / max(1, int((pixels > 0).sum())))


def table(rows: list[list[str]]) -> str:
    """Rows as aligned text: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
