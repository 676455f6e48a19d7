"""Opening models of any form and putting them side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.console.extras import require
from edgeseg.console.progress import Progress, no_progress
from edgeseg.errors import DataError, UserError
from edgeseg.export.source.model_kinds import CHECKPOINT_SUFFIXES
from edgeseg.export.source.own_source import torch_forward
from edgeseg.export.source.reference_engine import ReferenceEngine
from edgeseg.export.trace.open_forms import open_traced_models
from edgeseg.export.trace.trace import Trace, trace
from edgeseg.image import UInt8, fit
from edgeseg.masks.mask_values import GivenValues
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.publishing import artifact_stage, engine_stage, tiled_stage
from edgeseg.proof.samples import Samples, UnreadableImageError, samples_from
from edgeseg.proof.stage import Stage
from edgeseg.runtime.engines.engine import EngineOptions, open_with
from edgeseg.runtime.engines.placement import placement_of
from edgeseg.runtime.engines.precision_names import FLOATS
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.spec import ModelSpec

VerifyData = tuple[Path, str | None, int | None, GivenValues | None]
"""Folder, split, ignore index, and what mask values mean."""


@contextlib.contextmanager
def open_models(paths: Sequence[Path], tiling: Tiling | None = None) -> Iterator[tuple[list[Stage], ModelSpec]]:
    """Open checkpoints and artifacts; gives their stages and the reference's spec.

    Args:
        paths: the reference first.
        tiling: cut pictures into tiles; None: resize them.

    Raises:
        UserError: their classes differ.
        CheckpointError, ArtifactError: one cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        opened = [open_form(path, stack, tiling=tiling) for path in paths]
        expect_same_classes(paths, [spec for _, spec in opened])
        yield name_apart([stage for stage, _ in opened]), opened[0][1]


def compare_models(
    paths: Sequence[Path], data: VerifyData, progress: Progress = no_progress, tiling: Tiling | None = None
) -> Comparison:
    """Compare every model with the first one.

    Args:
        paths: checkpoints and artifacts, the reference first.
        data: folder, split, ignore index and mask values, see :func:`~edgeseg.proof.samples.samples_from`.
        progress: ticks once an image.
        tiling: cut pictures into tiles; None: resize them.

    Raises:
        UserError: their classes differ.
        DataError: images or masks cannot be used.
        CheckpointError, ArtifactError: a model cannot be opened.
    """
    with open_models(paths, tiling) as (stages, spec):
        samples = choose_samples(data, spec)
        with progress("verify", len(samples)) as tick:
            return compare(stages, samples, spec, tick)


def trace_stages(paths: Sequence[Path], data: VerifyData, count: int, progress: Progress = no_progress) -> list[Trace]:
    """Trace every model against the first one, on ``count`` images spread over the data.

    Args:
        paths: checkpoints and artifacts, the reference first and in float.
        data: folder, split, ignore index and mask values, see :func:`~edgeseg.proof.samples.samples_from`.
        count: 1 or more.
        progress: ticks once an image.

    Raises:
        UserError: the models cannot be compared, or ``count`` is out of range.
        DataError: no image can be read.
        CheckpointError, ArtifactError: a model cannot be opened.
    """
    if count < 1:
        raise UserError(f"`trace_images` must be 1 or more; found {count}.")
    (reference, *others), spec = open_traced_models(list(paths))
    images = _fit(choose_samples(data, spec).spread(count), spec)
    with progress("trace", len(others) * len(images)) as tick:
        return [trace(reference, other, images, tick) for other in others]


def choose_samples(data: VerifyData, spec: ModelSpec) -> Samples:
    """Read the images that models of ``spec`` are compared on, see :func:`~edgeseg.proof.samples.samples_from`."""
    folder, split, ignore_index, mask_values = data
    return samples_from(folder, spec, split, ignore_index, mask_values=mask_values)


def _fit(samples: Samples, spec: ModelSpec) -> list[UInt8]:
    """What the networks see of those images that can be read."""
    images, unreadable = [], []
    for sample in samples:
        try:
            images.append(fit(sample.read()[0], spec))
        except UnreadableImageError as error:
            unreadable.append(str(error))
    if not images:
        raise DataError(f"None of the {len(samples)} images of {samples.source} can be read. {unreadable[0]}")
    return images


def expect_same_classes(paths: Sequence[Path], specs: Sequence[ModelSpec]) -> None:
    """Raise UserError when a model has other classes than the first one."""
    for path, spec in zip(paths, specs, strict=True):
        if spec.classes != specs[0].classes:
            raise UserError(
                f"{path} has the classes {', '.join(spec.classes)}; the reference {paths[0]} has "
                f"{', '.join(specs[0].classes)}. Models of the same classes can be compared."
            )


def open_form(
    path: Path, stack: contextlib.ExitStack, precision: str | None = None, tiling: Tiling | None = None
) -> tuple[Stage, ModelSpec]:
    """Open a checkpoint, or an artifact in the precision that it runs in or in another; ``stack`` closes it.

    Args:
        path: of either.
        stack: closes it.
        precision: of an artifact; None: the one that it runs in.
        tiling: cut pictures into tiles; None: resize them.

    Raises:
        CheckpointError, ArtifactError: it cannot be opened.
    """
    if path.suffix not in CHECKPOINT_SUFFIXES or path.is_dir():
        artifact = Artifact.open(path)
        options = EngineOptions(precision=precision)
        engine = open_with(artifact, options)
        computed_in = placement_of(engine, options).precision
        name = f"{artifact.format} {artifact.precision}" + (f", {computed_in}" if computed_in in FLOATS[1:] else "")
        return artifact_stage(artifact, stack, name, engine, tiling), artifact.spec
    require("torch", "export")
    from edgeseg.training.checkpoint import load_model

    loaded = load_model(path)
    engine = ReferenceEngine(torch_forward(loaded.model), loaded.spec)
    stack.callback(engine.close)
    stage = engine_stage("torch", engine) if tiling is None else tiled_stage("torch", engine, tiling)
    return stage, loaded.spec


def name_apart(stages: list[Stage]) -> list[Stage]:
    """Number stages of equal names, so that tables tell them apart."""
    names = [stage.name for stage in stages]
    return [
        replace(stage, name=f"{stage.name} #{i + 1}") if names.count(stage.name) > 1 else stage
        for i, stage in enumerate(stages)
    ]
