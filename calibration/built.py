"""What the makers of artifacts share: where results go, and opening what is not published yet."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact, write_manifest
from edgeseg.calibration.compare import Comparison, Stage
from edgeseg.calibration.ladder import Ladder
from edgeseg.calibration.progress import Progress, no_progress
from edgeseg.runtime.engine import Engine, open_engine
from edgeseg.runtime.predict import Predictor


@dataclass(frozen=True)
class Built:
    """A published artifact, the comparison that let it pass, and the search that it took, if any."""

    artifact: Artifact
    comparison: Comparison
    ladder: Ladder | None = None


@dataclass(frozen=True)
class Place:
    """Where artifacts go and what they are called."""

    out: Path
    name: str
    progress: Progress = field(default=no_progress)


def opened(staged: Path, manifest: Mapping[str, Any]) -> Artifact:
    """The artifact in a directory that has no final name yet."""
    write_manifest(staged, manifest)
    return Artifact.open(staged)


def artifact_stage(
    artifact: Artifact, stack: contextlib.ExitStack, name: str | None = None, engine: Engine | None = None
) -> Stage:
    """An artifact in ``engine`` (default: its own); ``stack`` closes it."""
    name = name or f"{artifact.format} {artifact.precision}"
    return Stage(name, stack.enter_context(Predictor(engine or open_engine(artifact))))
