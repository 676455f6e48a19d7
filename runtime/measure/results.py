"""The scores of an artifact on disk: ``results.json`` and the pictures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from edgeseg.artifact import Artifact
from edgeseg.files.atomic import atomic_file
from edgeseg.image import UInt8
from edgeseg.metrics.size_picture import size_picture
from edgeseg.runtime.measure.confusion_picture import confusion_picture
from edgeseg.runtime.measure.evaluate import Evaluation
from edgeseg.spec import ModelSpec, Threshold

RESULTS = ("results.json", "confusion.png", "sizes.png")


def describe_evaluation(
    evaluation: Evaluation, artifact: Artifact, threshold: Threshold | None = None
) -> dict[str, Any]:
    """Return plain values for JSON: the scores, and what was scored on what.

    Args:
        evaluation: the scores.
        artifact: what was scored.
        threshold: that it was run with instead of its own.
    """
    return {
        "artifact": artifact.path.name,
        "model_digest": artifact.files[artifact.model_path.name],
        "data": evaluation.data,
        "split": evaluation.split,
        "ignore_index": evaluation.ignore_index,
        "threshold": threshold or artifact.spec.threshold or list(artifact.spec.thresholds) or None,
        **evaluation.to_dict(),
    }


def write_evaluation(out: Path, result: Mapping[str, Any], evaluation: Evaluation, spec: ModelSpec) -> None:
    """Write :data:`RESULTS` into a folder.

    Args:
        out: the folder.
        result: see :func:`describe_evaluation`.
        evaluation: the scores.
        spec: gives the colours of the classes.

    Raises:
        OutputError: it cannot be written.
    """
    title = f"{result['artifact']}  {result['split']}  mIoU {evaluation.confusion.mean_iou:.3f}"
    _write_png(out / "confusion.png", confusion_picture(evaluation.confusion, evaluation.classes, title))
    if evaluation.sizes is not None:
        title = f"{title}  IoU by object area in pixels"
        _write_png(out / "sizes.png", size_picture(evaluation.sizes, title, spec.palette))
    with atomic_file(out / "results.json") as staged:
        staged.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _write_png(path: Path, picture: UInt8) -> None:
    _, png = cv2.imencode(".png", picture)
    with atomic_file(path) as staged:
        staged.write_bytes(png.tobytes())
