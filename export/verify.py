"""Opening models of any form and putting them side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.export.build import artifact_stage
from edgeseg.export.compare import Stage
from edgeseg.export.reference_engine import ReferenceEngine
from edgeseg.export.source_net import CHECKPOINT_SUFFIXES, torch_forward
from edgeseg.extras import require
from edgeseg.runtime.predict import Predictor
from edgeseg.spec import ModelSpec


@contextlib.contextmanager
def opened_models(paths: Sequence[Path]) -> Iterator[tuple[list[Stage], ModelSpec]]:
    """Open checkpoints and artifacts; gives their stages and the reference's spec.

    Raises:
        UserError: their classes differ.
        CheckpointError, ArtifactError: one cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        opened = [_open(path, stack) for path in paths]
        spec = opened[0][1]
        for path, (_, other) in zip(paths, opened, strict=True):
            if other.classes != spec.classes:
                raise UserError(
                    f"{path} has the classes {', '.join(other.classes)}; the reference {paths[0]} has "
                    f"{', '.join(spec.classes)}. Models of the same classes can be compared."
                )
        yield _distinct([stage for stage, _ in opened]), spec


def _open(path: Path, stack: contextlib.ExitStack) -> tuple[Stage, ModelSpec]:
    if path.suffix not in CHECKPOINT_SUFFIXES or path.is_dir():
        artifact = Artifact.open(path)
        return artifact_stage(artifact, stack), artifact.spec
    require("torch", "export")
    from edgeseg.training.checkpoint import load_model

    loaded = load_model(path)
    engine = ReferenceEngine(torch_forward(loaded.model), loaded.spec)
    return Stage("torch", stack.enter_context(Predictor(engine))), loaded.spec


def _distinct(stages: list[Stage]) -> list[Stage]:
    """Number stages of equal names, so that tables tell them apart."""
    names = [stage.name for stage in stages]
    return [
        Stage(f"{stage.name} #{i + 1}" if names.count(stage.name) > 1 else stage.name, stage.predict)
        for i, stage in enumerate(stages)
    ]
