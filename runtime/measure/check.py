"""Gates: an artifact still does here what it did when it was made.

A gate is a field, a threshold and what was found. Masks are compared by mIoU with the figure inside the
artifact, speed with a baseline saved on this machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, EngineError, GateFailed, UserError
from edgeseg.files.atomic import atomic_file
from edgeseg.files.input_file import read_text
from edgeseg.given import checked
from edgeseg.metrics.confusion import Confusion
from edgeseg.runtime.engines.engine import CONFIDENCE, open_engine
from edgeseg.runtime.engines.predictor import Predictor, open_predictor
from edgeseg.runtime.engines.threshold import shown_threshold
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.measure.bench import realistic_inputs
from edgeseg.runtime.measure.evaluate import evaluate
from edgeseg.runtime.measure.latency_gate import LatencyRatio
from edgeseg.runtime.measure.recorded import Recorded, find_pictures, read_recorded
from edgeseg.runtime.system.machine import this_cpu

DEFAULT_MAX_DROP, DEFAULT_MAX_SLOWDOWN = 0.5, 0.15


@dataclass(frozen=True)
class Gate:
    """One thing that was measured against its limit.

    Attributes:
        field: what was measured, with its unit.
        limit: the largest value that passes.
        found: what was measured.
        sentence: how both came to be.
    """

    field: str
    limit: float
    found: float
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether what was found is within the limit."""
        return self.found <= self.limit

    def __str__(self) -> str:
        return f"{self.field}: threshold {self.limit:.4g}, found {self.found:.4g}. {self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "passed": self.passed}


@checked
def check_runs(
    artifact: Artifact, device: str = "CPU", on_event: OnEvent = event_to_stderr, precision: str | None = None
) -> int:
    """Open the engine and segment a few pictures; returns how many labels occurred.

    Args:
        artifact: what runs.
        device: the engine's own name of a device.
        on_event: is told when its masks were not proven there.
        precision: see :class:`~edgeseg.runtime.engines.engine.EngineOptions`.

    Raises:
        EngineError: it fails, gives labels that are no class, or two answers to one picture.
    """
    spec = artifact.spec
    pictures = [np.repeat(p, 3, 2) if spec.channels == 1 else p for p in realistic_inputs(spec, 3)]
    with open_predictor(artifact, None, device, on_event, precision) as predict:
        first, second = ([predict(picture) for picture in pictures] for _ in range(2))
    if any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
        raise EngineError(f"{artifact.path.name} gives two different masks for one picture on {device}.")
    labels = {int(label) for mask in first for label in np.unique(mask)}
    if strange := sorted(labels - {*range(spec.num_labels), spec.unknown_label}):
        raise EngineError(f"{artifact.path.name} gives the label {strange[0]}, but has {spec.num_classes} classes.")
    return len(labels)


@checked
def iou_gate(
    artifact: Artifact,
    dataset: Dataset,
    max_drop: float = DEFAULT_MAX_DROP,
    *,
    device: str = "CPU",
    precision: str | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Gate:
    """Measure mIoU points lost on this machine against the figure recorded in the artifact, on the same pictures.

    Raises:
        ArtifactError: the artifact records no mIoU against masks, or not of which images.
        DataError: one of its pictures is missing or was changed; see also
            :func:`edgeseg.runtime.measure.evaluate.evaluate`.
        GateFailed: it is no better than one label everywhere.
    """
    recorded = read_recorded(artifact)
    pairs = find_pictures(artifact, recorded, dataset)
    threshold = shown_threshold(artifact.spec, CONFIDENCE in artifact.outputs) if recorded.is_shown else None
    with Predictor(open_engine(artifact, device, precision=precision), threshold) as predict:
        evaluation = evaluate(predict, dataset, recorded.split, pairs=pairs, progress=progress)
    if evaluation.images != recorded.images:
        raise DataError(
            f"{artifact.path.name} was verified on {recorded.images} readable images of split {recorded.split!r}; now "
            f"{evaluation.images} of them can be read. {' '.join(evaluation.skipped[:1])}"
        )
    return hold_iou(artifact, recorded, evaluation.confusion, str(dataset.root), max_drop)


@checked
def hold_iou(artifact: Artifact, recorded: Recorded, scores: Confusion, data: str, max_drop: float) -> Gate:
    """Hold the mIoU that was measured now against the recorded one.

    Raises:
        GateFailed: it is no better than one label everywhere.
    """
    found, constant = scores.mean_iou, scores.constant_iou
    if constant is not None and found <= constant:
        raise GateFailed(
            f"{artifact.path.name} scores mIoU {found:.4f} on {recorded.images} images of {data}, no better "
            "than one label everywhere: that it does so still proves nothing. Export a network that was trained."
        )
    where = (
        f"mIoU is {found:.4f} here and {recorded.miou:.4f} in the artifact, on {recorded.images} images of "
        f"{recorded.split!r}."
    )
    return Gate("mIoU drop in points", max_drop, 100 * (recorded.miou - found), where)


@checked
def latency_gate(artifact: Artifact, ratio: LatencyRatio, baseline: Path, max_slowdown: float) -> Gate:
    """Measure the slowdown against a saved baseline, 0.15 for 15 %.

    Raises:
        UserError: the baseline is not a baseline, of another model or of another CPU.
    """
    before = read_baseline(baseline, artifact)
    sentence = f"One run costs {ratio.ratio:.2f} reference workloads, the baseline says {before:.2f}."
    return Gate("latency slowdown as a share", max_slowdown, ratio.ratio / before - 1, sentence)


@checked
def save_baseline(path: Path, artifact: Artifact, ratio: LatencyRatio) -> None:
    """Write a baseline for later checks of this model on this CPU.

    Raises:
        OutputError: it cannot be written.
    """
    values = {"model": _identity(artifact), "cpu": this_cpu().name, "latency": asdict(ratio)}
    with atomic_file(path) as staged:
        staged.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


@checked
def read_baseline(path: Path, artifact: Artifact) -> float:
    """Read the latency ratio of a baseline.

    Raises:
        UserError: it cannot be read, or was saved for another model or on another CPU.
    """
    text = read_text(path, UserError)
    try:
        values = json.loads(text)
        model, cpu, ratio = values["model"], values["cpu"], float(values["latency"]["ratio"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is not a baseline ({error}). Save one with: "
            f"`save_baseline(artifact={str(artifact.path)!r}, path={str(path)!r})`"
        ) from None
    if not (math.isfinite(ratio) and ratio > 0):
        raise UserError(f"{path} holds the latency ratio {ratio}. Save a new one with `save_baseline`.")
    here = {"model": _identity(artifact), "CPU": this_cpu().name}
    for what, found in (("model", model), ("CPU", cpu)):
        if found != here[what]:
            raise UserError(
                f"{path} is of another {what} ({found!s:.40}); here it is {here[what]:.40}. Save a new one."
            )
    return ratio


def _identity(artifact: Artifact) -> str:
    """Not a digest: a baseline is to be compared with the next export of the same network."""
    return f"{artifact.name} {artifact.precision} {artifact.format}"
