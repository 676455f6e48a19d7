"""Which images calibrated, chose and proved, and what a proof on them cannot know: in sentences for its reader."""

from __future__ import annotations

import contextlib
from pathlib import Path

from edgeseg.calibration.images.parts import Parts
from edgeseg.calibration.search.trials import Job
from edgeseg.dataset import Dataset, is_dataset
from edgeseg.errors import DataError
from edgeseg.files.image_files import list_images
from edgeseg.files.trained_on import compare_training
from edgeseg.metrics.blocks import find_blocks
from edgeseg.proof.compare import Comparison
from edgeseg.proof.samples import Samples


def describe_parts(job: Job, parts: Parts | None, proof: Samples, comparison: Comparison) -> list[str]:
    """Say in sentences which images calibrated, chose and proved, and what that says of others."""
    told = [f"{len(job.images)} images calibrate, {len(proof)} others prove: none of these calibrates."]
    if parts is None:
        told.append("Nothing was chosen on those that prove.")
    elif parts.are_apart:
        split = f" ({parts.choosing.split})" if parts.choosing.split else ""
        where = f"{parts.choosing.source}{split}"
        told.append(f"The layers in float were chosen on {len(parts.choosing)} other images, of {where}.")
    if parts is not None and parts.note:
        told.append(parts.note)
    return [*told, *_describe_blocks(comparison), _describe_training(job, proof)]


def _describe_blocks(comparison: Comparison) -> list[str]:
    blocks = find_blocks(comparison.reference.images)
    if not blocks.sequences:
        return []
    told = f"By their names and by what they show, the images that prove are frames of {_count(blocks.sequences)}"
    if not blocks.are_few_sequences:
        return [f"{told}, which are drawn again as a whole."]
    return [
        f"{told}. The bounds are of more of the same ({blocks.count} runs of frames are drawn again); how much another "
        "sequence differs is not known from so few, so no limit is called held."
    ]


def _count(sequences: int) -> str:
    return f"{sequences} sequence{'s' * (sequences > 1)}"


def _describe_training(job: Job, proof: Samples) -> str:
    files = [one.files[0] for one in proof.items if one.files]
    return compare_training(job.parent.measured.get("trained_on"), files, _list_training_split(proof))


def _list_training_split(proof: Samples) -> list[str]:
    """Names of the training images of the data folder that proves, where there is one and it is another split."""
    if proof.split in (None, "train") or not is_dataset(Path(proof.source)):
        return []
    with contextlib.suppress(DataError, KeyError):
        return [path.name for path in list_images(Dataset.open(proof.source).folders["train"][0])]
    return []
