"""Proving artifacts on a device, or in a precision, other than those that they were made with."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.console.progress import Progress, no_progress
from edgeseg.errors import UserError
from edgeseg.export.source.model_kinds import CHECKPOINT_SUFFIXES
from edgeseg.export.verify import VerifyData, choose_samples, expect_same_classes, name_apart, open_form
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.judges.gates import check_budget
from edgeseg.proof.proven import add_proof, describe_proof, expect_writable
from edgeseg.proof.publishing import artifact_stage
from edgeseg.proof.stage import Stage
from edgeseg.runtime.engines.engine import EngineOptions, open_with
from edgeseg.runtime.engines.placement import Placement, placement_of


@dataclass(frozen=True)
class Proven:
    """An artifact that is open where it is to be proven."""

    artifact: Artifact
    place: Placement
    stage: Stage


def prove_models(
    paths: Sequence[Path],
    data: VerifyData,
    options: EngineOptions,
    budget: Budget,
    progress: Progress = no_progress,
) -> Comparison:
    """Compare artifacts, opened with ``options``, with the first model as it was made, and write into them what holds.

    Args:
        paths: the reference first; an artifact alone is its own reference.
        data: folder, split, ignore index and mask values, see :func:`~edgeseg.proof.samples.samples_from`.
        options: the device and precision that are to be proven; without a precision the one that they run in there.
        budget: what may be lost there.
        progress: ticks once an image.

    Raises:
        UserError: nothing to prove, or models of other classes.
        GateFailed: more was lost. Nothing is written then.
        OutputError: an artifact's folder cannot be written, which is found out before the work.
        DataError, CheckpointError, ArtifactError, EngineError: see :func:`~edgeseg.export.verify.compare_models`.
    """
    others = [_artifact(path) for path in paths[1:] or paths]
    for artifact in others:
        expect_writable(artifact)
    with contextlib.ExitStack() as stack:
        reference, spec = open_form(paths[0], stack, "f32")
        expect_same_classes([paths[0], *(one.path for one in others)], [spec, *(one.spec for one in others)])
        proven = [_open(artifact, options, stack) for artifact in others]
        stages = name_apart([reference, *(one.stage for one in proven)])
        samples = choose_samples(data, spec)
        with progress("prove", len(samples)) as tick:
            comparison = compare(stages, samples, spec, tick)
    check_budget(comparison, budget)
    for one, score in zip(proven, comparison.stages[1:], strict=True):
        add_proof(one.artifact, describe_proof(one.artifact, one.place, comparison, score, samples))
    return comparison


def _artifact(path: Path) -> Artifact:
    if path.suffix in CHECKPOINT_SUFFIXES and not path.is_dir():
        raise UserError(f"{path} is no artifact, and a proof is written into one. Export it first, and give that.")
    return Artifact.open(path)


def _open(artifact: Artifact, options: EngineOptions, stack: contextlib.ExitStack) -> Proven:
    engine = open_with(artifact, options)
    place = placement_of(engine, options)
    name = f"{artifact.format} {artifact.precision}, {place.precision} on {place.device}"
    return Proven(artifact, place, artifact_stage(artifact, stack, name, engine))
