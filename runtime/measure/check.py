"""Gates: an artifact still does here what it did when it was made.

Masks are compared by mIoU with the figure inside the artifact; speed is the business of
:mod:`edgeseg.runtime.measure.slowdown`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, EngineError, GateFailed
from edgeseg.given import checked
from edgeseg.metrics.confusion import Confusion
from edgeseg.runtime.engines.engine import CONFIDENCE, open_engine
from edgeseg.runtime.engines.predictor import Predictor, open_predictor
from edgeseg.runtime.engines.threshold import shown_threshold
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.measure.bench import realistic_inputs
from edgeseg.runtime.measure.evaluate import evaluate
from edgeseg.runtime.measure.gate import Gate
from edgeseg.runtime.measure.recorded import Recorded, find_pictures, read_recorded

DEFAULT_MAX_DROP = 0.5


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
def hold_iou(
    artifact: Artifact, recorded: Recorded, scores: Confusion, data: str, max_drop: float, floor: float | None = None
) -> Gate:
    """Hold the mIoU that was measured now against the recorded one.

    Args:
        artifact, recorded: what it was.
        scores: measured now.
        data: where the images lie, for messages.
        max_drop: points that may be lost.
        floor: what the loss is over, 95 % sure. Where that is not over zero, a loss over the limit may be chance, and
            passes; None: every loss over the limit fails.

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
    lost = 100 * (recorded.miou - found)
    is_noise = floor is not None and floor <= 0 and lost > max_drop
    if is_noise:
        where += " So much comes and goes by chance with so few images (paired by image, 95 %)."
    return Gate("mIoU drop in points", max_drop, lost, where, is_noise)
