"""What each image of a proof gave, kept beside it: enough to repeat the bootstrap, and to hold the limits again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError
from edgeseg.files.input_file import read_text
from edgeseg.image import UInt8
from edgeseg.metrics.blocks import find_blocks
from edgeseg.metrics.image_counts import PARTS, ImageCounts
from edgeseg.metrics.multilabel import make_boundary, make_confusion
from edgeseg.proof.compare import Comparison, StageScore
from edgeseg.proof.confidence import ConfidenceScore
from edgeseg.proof.kept_masks import KeptMasks, read_masks

IMAGES_FILE, MASKS_FILE = "images.json", "masks.zip"
LIMIT_BYTES = 8 << 20
RECORD_VERSION = 1


@dataclass(frozen=True)
class ImageRecord:
    """A comparison as it was, image by image.

    Attributes:
        comparison: the reference first, then the artifact's own model.
        masks: the reference's labels of each image, HW uint8; None where they take too much room.
    """

    comparison: Comparison
    masks: Sequence[UInt8] | None = None


def write_record(directory: Path, comparison: Comparison, task: str, masks: KeptMasks) -> str:
    """Write ``images.json`` and ``masks.zip`` into the directory of an artifact, before its manifest.

    Args:
        directory: of the artifact.
        comparison: the reference first, then the artifact's own model; others are left out.
        task: of the network.
        masks: the reference's, of the same images.

    Returns:
        A sentence on what was left out because it is too large, or nothing.

    Raises:
        OSError: the disk is full.
    """
    for name in (IMAGES_FILE, MASKS_FILE):  # of another proof, where the artifact was made from one that had it
        (directory / name).unlink(missing_ok=True)
    text = json.dumps(_values(comparison, task), separators=(",", ":"), allow_nan=False) + "\n"
    if len(text) > LIMIT_BYTES:
        return (
            f"Counts of the single images are left out: those of {comparison.images} images and "
            f"{len(comparison.classes)} classes take {len(text) / 1e6:.0f} MB, over {LIMIT_BYTES / 1e6:.0f}."
        )
    (directory / IMAGES_FILE).write_text(text, encoding="utf-8")
    if masks.is_whole and len(masks) == comparison.images:
        (directory / MASKS_FILE).write_bytes(masks.to_zip())
        return ""
    return f"The reference's masks of the {comparison.images} images are left out: they take too much room."


def read_image_record(artifact: Artifact) -> ImageRecord | None:
    """Read what :func:`write_record` wrote; None where there is none.

    Raises:
        ArtifactError: it is something else.
    """
    if IMAGES_FILE not in artifact.files:
        return None
    path = artifact.path / IMAGES_FILE
    text = read_text(path, ArtifactError, LIMIT_BYTES + 1)
    try:
        comparison = _comparison_from(json.loads(text), artifact.spec.task)
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read ({error!r}). Export the model again.") from None
    if MASKS_FILE not in artifact.files:
        return ImageRecord(comparison)
    packed = (artifact.path / MASKS_FILE).read_bytes()
    return ImageRecord(comparison, tuple(read_masks(packed, comparison.images)))


def _values(comparison: Comparison, task: str) -> dict[str, Any]:
    counted = comparison.reference.images
    blocks = find_blocks(counted)
    return {
        "record_version": RECORD_VERSION,
        "task": task,
        "classes": list(comparison.classes),
        "labelled": comparison.labelled,
        "source": comparison.source,
        "split": comparison.split,
        "labels_seen": sorted(comparison.labels_seen),
        "proof_note": comparison.proof_note,
        "looks": comparison.looks,
        "blocks": {"of": list(blocks.of), "count": blocks.count, "sequences": blocks.sequences},
        "images": {name: list(getattr(counted, name)) for name in ("names", "digests", "pixels")},
        "parts": list(PARTS),
        "stages": [describe_score(stage, of_images=False) for stage in comparison.stages[:2]],
    }


def _comparison_from(values: Mapping[str, Any], task: str) -> Comparison:
    if values["record_version"] != RECORD_VERSION:
        raise ValueError(f"its record_version is {values['record_version']!r}, known is {RECORD_VERSION}")
    stages = [{**stage, "images": {**values["images"], **stage["images"]}} for stage in values["stages"]]
    scores = [score_from(stage, task) for stage in stages]
    shape = (len(scores[0].images), len(PARTS), len(values["classes"]))
    if len(scores) != 2 or any(score.images.table.shape != shape for score in scores):
        raise ValueError(f"its rows are not those of {shape[0]} images and {shape[2]} classes")
    return Comparison(
        scores,
        tuple(values["classes"]),
        values["labelled"],
        values["source"],
        values["split"],
        shape[0],
        labels_seen=set(values["labels_seen"]),
        proof_note=values["proof_note"],
        looks=values["looks"],
    )


def describe_score(stage: StageScore, of_images: bool = True) -> dict[str, Any]:
    """Return plain values of a stage for JSON, from which :func:`score_from` makes it again.

    Args:
        stage: what was counted.
        of_images: with what is the same for every stage: names, digests and sizes of the images.
    """
    counted = stage.images.to_dict()
    shared = () if of_images else ("names", "digests", "pixels")
    return {
        "name": stage.name,
        "ignore_index": stage.confusion.ignore_index,
        "counts": stage.confusion.counts.tolist(),
        "intersection": stage.boundary.intersection.tolist(),
        "union": stage.boundary.union.tolist(),
        "images": {name: value for name, value in counted.items() if name not in shared},
        "confidence": stage.confidence and stage.confidence.to_dict(),
    }


def score_from(values: Mapping[str, Any], task: str) -> StageScore:
    """Read what :func:`describe_score` gave.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    confusion = make_confusion(task, len(values["counts"]), values["ignore_index"])
    confusion.counts = np.array(values["counts"], np.int64)
    boundary = make_boundary(task, len(values["counts"]), values["ignore_index"])
    boundary.intersection = np.array(values["intersection"], np.int64)
    boundary.union = np.array(values["union"], np.int64)
    sure = values["confidence"] and ConfidenceScore.from_dict(values["confidence"])
    return StageScore(values["name"], confusion, boundary, ImageCounts.from_dict(values["images"]), sure)
