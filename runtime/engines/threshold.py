"""Pixels that are not sure enough lose their class."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.runtime.engines.engine import CONFIDENCE
from edgeseg.runtime.frames.frame import Prediction

ApplyThreshold = Callable[[Prediction], Prediction]


def threshold_for(artifact: Artifact, conf: float | None = None) -> ApplyThreshold:
    """Choose what is done to a prediction of ``artifact`` before anyone sees it.

    Multiclass: pixels whose confidence is under the threshold become ``spec.unknown_label``.
    Binary: pixels from the threshold on are foreground, whatever the graph's own 0.5 said.
    Confidence is eight bits wide, so a threshold is met to within 1/510.

    Args:
        artifact: gives the spec and says whether it has a confidence output.
        conf: threshold in 0..1; None takes the spec's, and without one the graph's labels stay.

    Returns:
        A function that gives a prediction in memory of its own.

    Raises:
        UserError: ``conf`` is not between 0 and 1, or the model has no confidence output.
    """
    spec = artifact.spec
    if conf is not None and not (isinstance(conf, int | float) and 0 < conf < 1):
        raise UserError(f"`conf` must lie between 0 and 1; found {conf!r}.")
    threshold = spec.threshold if conf is None else conf
    if threshold is None:
        return Prediction.copy
    if CONFIDENCE not in artifact.outputs:
        raise UserError(
            f"{artifact.path.name} has no confidence output (it has {', '.join(artifact.outputs)}), so no threshold "
            f"can be applied. Export it again with `threshold={threshold:g}`."
        )
    cut = math.floor(threshold * 255 + 0.5)
    return _binary(cut) if spec.task == "binary" else _multiclass(cut, spec.unknown_label)


def _multiclass(cut: int, unknown: int) -> ApplyThreshold:
    def apply(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        labels = np.where(prediction.confidence < cut, np.uint8(unknown), prediction.labels)
        return Prediction(labels, prediction.confidence.copy())

    return apply


def _binary(cut: int) -> ApplyThreshold:
    def apply(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        return Prediction((prediction.confidence >= cut).view(np.uint8), prediction.confidence.copy())

    return apply
