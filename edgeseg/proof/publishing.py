"""What the makers of artifacts share: where results go, and opening what is not published yet."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact, write_manifest
from edgeseg.console.progress import Progress, no_progress
from edgeseg.errors import UserError
from edgeseg.proof.compare import Comparison
from edgeseg.proof.judgement import Judgement
from edgeseg.proof.search_record import SearchRecord
from edgeseg.proof.stage import Stage
from edgeseg.runtime.engines.engine import CONFIDENCE, Engine, open_engine
from edgeseg.runtime.engines.predictor import Predictor
from edgeseg.runtime.engines.threshold import shown_threshold
from edgeseg.runtime.tiles.predictor import TiledPredictor
from edgeseg.runtime.tiles.tiling import Tiling


@dataclass(frozen=True)
class ExportResult:
    """A published artifact and its proof.

    Attributes:
        artifact: the files.
        comparison: what let it pass.
        search: how an INT8 model was found; None for the others.
        judgements: what each limit of the budget says about it; none for what has no budget.
        notes: sentences on which images calibrated, chose and proved.
    """

    artifact: Artifact
    comparison: Comparison
    search: SearchRecord | None = None
    judgements: tuple[Judgement, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutputOptions:
    """Where artifacts go and what they are called.

    Attributes:
        out: the folder that they are made in.
        name: what they are called.
        progress: shown while they are made.
        benchmark_seconds: seconds for which fp32 and INT8 are timed in turns; 0 leaves their speed unknown.

    Raises:
        UserError: a name that is no plain file name.
    """

    out: Path
    name: str
    progress: Progress = field(default=no_progress)
    benchmark_seconds: float = 0.0

    def __post_init__(self) -> None:
        check_name(self.name)


def check_name(name: str) -> None:
    """Raise UserError when an artifact cannot be called ``name``."""
    if not name or name != Path(name).name or name.startswith("."):
        raise UserError(
            f"`name` is a plain name without slashes or a leading dot; found {name!r}. Use `out` for a folder."
        )


def open_staged(staged: Path, manifest: Mapping[str, Any]) -> Artifact:
    """Open the artifact in a directory that has no final name yet."""
    write_manifest(staged, manifest)
    return Artifact.open(staged)


def artifact_stage(
    artifact: Artifact,
    stack: contextlib.ExitStack,
    name: str | None = None,
    engine: Engine | None = None,
    tiling: Tiling | None = None,
) -> Stage:
    """Open an artifact in ``engine`` (default: its own) as a stage, of whole pictures or tiles; ``stack`` closes it."""
    name = name or f"{artifact.format} {artifact.precision}"
    opened = engine or open_engine(artifact)
    stack.callback(opened.close)
    has_confidence = CONFIDENCE in artifact.outputs
    if tiling is not None:
        return tiled_stage(name, opened, tiling, artifact, has_confidence)
    return engine_stage(name, opened, has_confidence)


def tiled_stage(
    name: str, engine: Engine, tiling: Tiling, artifact: Artifact | None = None, has_confidence: bool = True
) -> Stage:
    """Make a stage that cuts pictures into tiles and keeps their scale, see :func:`engine_stage`."""
    predictor = TiledPredictor(engine, tiling, shown_threshold(engine.spec, has_confidence), artifact, slots=1)
    return Stage(name, predictor, predictor.examine, predictor.record)


def engine_stage(name: str, engine: Engine, has_confidence: bool = True) -> Stage:
    """Make a stage of an engine. Its masks are those that a run shows: the threshold of the spec is applied."""
    predictor = Predictor(engine, shown_threshold(engine.spec, has_confidence))
    return Stage(name, predictor, predictor.examine)
