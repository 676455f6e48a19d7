"""Does an artifact segment here what it segmented when it was proven, and is its budget still held?"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.console.progress import Tick
from edgeseg.dataset import Dataset
from edgeseg.errors import ArtifactError, DataError, UserError
from edgeseg.masks.mask_values import GivenValues
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import compare
from edgeseg.proof.image_record import ImageRecord, read_image_record
from edgeseg.proof.judgement import Judgement
from edgeseg.proof.judges.gates import describe_misses
from edgeseg.proof.judges.judge import failures
from edgeseg.proof.judges.recheck import Rechecked, choose_budget, recheck, sure_loss
from edgeseg.proof.judges.reference import check_reference
from edgeseg.proof.publishing import artifact_stage
from edgeseg.proof.samples import Samples, samples_of_images, samples_of_pairs
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.measure.check import DEFAULT_MAX_DROP, hold_iou, iou_gate
from edgeseg.runtime.measure.evaluate import open_dataset
from edgeseg.runtime.measure.gate import Gate
from edgeseg.runtime.measure.recorded import Recorded, find_images, find_pictures, read_recorded

SURE_DROP = 0.2
"""Points that a network may lose against itself, where it is known image by image what it gave; other processors round
otherwise. A loss over it fails when the images say that it is no chance."""


@dataclass(frozen=True)
class MaskCheck:
    """What was found of the masks.

    Attributes:
        gates: the mIoU against that of then; none without masks.
        judgements: what each limit says against the reference.
        missed: those that fail it.
        misses: the same in sentences, with advice and what each class lost; empty where nothing was missed.
        miou: measured now, 0..1; None without masks.
    """

    gates: tuple[Gate, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    missed: tuple[Judgement, ...] = ()
    misses: str = ""
    miou: float | None = None


@dataclass(frozen=True)
class CheckData:
    """Where the pictures of a proof lie now, and how they are to be measured.

    Attributes:
        path: of the folder.
        ignore_index, mask_values: how masks are read; None: as they were then.
        device: the engine's own name of a device.
        precision: see :class:`~edgeseg.runtime.engines.engine.EngineOptions`.
    """

    path: Path
    ignore_index: int | None = None
    mask_values: GivenValues | None = None
    device: str = "CPU"
    precision: str | None = None


def check_masks(
    artifact: Artifact,
    data: CheckData,
    limits: Mapping[str, float],
    require_held: bool = False,
    reference: Artifact | None = None,
    tick: Tick = lambda: None,
) -> MaskCheck:
    """Measure an artifact again on the pictures of its proof, and hold every limit of its budget.

    Args:
        artifact: what is checked.
        data: its pictures.
        limits: those of the budget that are given; the others are what it was made with.
        require_held: see :class:`~edgeseg.proof.budget.Budget`.
        reference: the float artifact, measured beside it; None: its record stands for that.
        tick: called once an image.

    Raises:
        ArtifactError: it records nothing to compare with.
        DataError: images or masks cannot be used, are missing or were changed since.
        UserError: a limit that is none; a reference of other classes.
        GateFailed: it, or its reference, is no better than one label everywhere.
    """
    budget = choose_budget(artifact, limits, require_held)
    record = None if reference is not None else read_image_record(artifact)
    if artifact.measured.get("iou_against") != "masks":
        return _check_unlabelled(artifact, data, budget, record, reference, tick)
    recorded, dataset = _open_labelled(artifact, data)
    most = limits.get("max_drop", DEFAULT_MAX_DROP)
    if record is None and reference is None:
        _expect_no_limits(artifact, limits, require_held)
        gate = iou_gate(artifact, dataset, most, device=data.device, precision=data.precision, progress=tick)
        return MaskCheck((gate,), miou=recorded.miou - gate.found / 100)
    pairs = find_pictures(artifact, recorded, dataset)
    dataset.check_masks(recorded.split, pairs)
    samples = samples_of_pairs(dataset, recorded.split, pairs, str(data.path))
    found = _measure(artifact, samples, record, reference, data, tick)
    now = found.comparison.stages[1].confusion
    if found.then is None or not found.same_masks or "max_drop" in limits:
        gate = hold_iou(artifact, recorded, now, str(dataset.root), most)
    else:
        gate = hold_iou(artifact, recorded, now, str(dataset.root), SURE_DROP, sure_loss(found).floor)
    if not found.same_masks:
        _expect_same_masks(artifact, limits, require_held)
        return MaskCheck((gate,), miou=now.mean_iou)
    return _judge(found, budget, (gate,))


def _open_labelled(artifact: Artifact, data: CheckData) -> tuple[Recorded, Dataset]:
    recorded = read_recorded(artifact)
    ignored = recorded.ignore_index if data.ignore_index is None else data.ignore_index
    meanings = recorded.mask_values if data.mask_values is None else data.mask_values
    return recorded, open_dataset(data.path, artifact, ignored, meanings)


def _check_unlabelled(
    artifact: Artifact,
    data: CheckData,
    budget: Budget,
    record: ImageRecord | None,
    reference: Artifact | None,
    tick: Tick,
) -> MaskCheck:
    if record is None and reference is None:
        read_recorded(artifact)  # says that there is nothing
    samples = samples_of_images(find_images(artifact, data.path), str(data.path))
    return _judge(_measure(artifact, samples, record, reference, data, tick), budget)


def _measure(
    artifact: Artifact,
    samples: Samples,
    record: ImageRecord | None,
    reference: Artifact | None,
    data: CheckData,
    tick: Tick,
) -> Rechecked:
    with contextlib.ExitStack() as stack:
        stage = artifact_stage(artifact, stack, engine=open_engine(artifact, data.device, precision=data.precision))
        if reference is None:
            assert record is not None
            return recheck(stage, artifact.spec, record, samples, tick)
        _expect_same_classes(artifact, reference)
        before = artifact_stage(reference, stack, f"{reference.format} {reference.precision} (reference)")
        return Rechecked(compare([before, stage], samples, artifact.spec, tick))


def _judge(found: Rechecked, budget: Budget, gates: tuple[Gate, ...] = ()) -> MaskCheck:
    check_reference(found.comparison)
    judgements = [one for one in found.judge(budget) if math.isfinite(one.limit)]
    missed = failures(judgements, budget)
    stage = found.comparison.stages[1]
    said = describe_misses(found.comparison, stage, missed) if missed else ""
    miou = stage.confusion.mean_iou if found.comparison.labelled else None
    return MaskCheck(gates, tuple(judgements), tuple(missed), said, miou)


def _expect_no_limits(artifact: Artifact, limits: Mapping[str, float], require_held: bool) -> None:
    asked = [f"`{name}`" for name in limits if name != "max_drop"] + ["`require_held`"] * require_held
    if asked:
        raise ArtifactError(
            f"{artifact.path.name} does not say what each image of its proof gave, so {' and '.join(asked)} cannot be "
            "held. Export it again, or give the float artifact that it was made from as `reference`."
        )


def _expect_same_masks(artifact: Artifact, limits: Mapping[str, float], require_held: bool) -> None:
    if limits or require_held:
        raise DataError(
            f"The masks are read otherwise than when {artifact.path.name} was proven, so its budget cannot be held. "
            "Leave out `ignore_index` and `mask_values`, or give the float artifact as `reference`."
        )


def _expect_same_classes(artifact: Artifact, reference: Artifact) -> None:
    if (artifact.spec.classes, artifact.spec.task) != (reference.spec.classes, reference.spec.task):
        raise UserError(
            f"{reference.path} has the classes {', '.join(reference.spec.classes)}; {artifact.path.name} has "
            f"{', '.join(artifact.spec.classes)}. Give the float artifact that it was made from as `reference`."
        )
