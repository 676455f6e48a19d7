"""Pixels that are not sure enough lose their class."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.given import checked
from edgeseg.runtime.engines.engine import CONFIDENCE
from edgeseg.runtime.frames.frame import Prediction

ApplyThreshold = Callable[[Prediction], Prediction]


@checked
def threshold_for(artifact: Artifact, threshold: float | None = None) -> ApplyThreshold:
    """Choose what is done to a prediction of ``artifact`` before anyone sees it.

    Multiclass: pixels whose confidence is under the threshold become ``spec.unknown_label``.
    Binary: pixels from the threshold on are foreground, whatever the graph's own 0.5 said.
    Confidence is eight bits wide, so a threshold is met to within 1/510.

    Args:
        artifact: gives the spec and says whether it has a confidence output.
        threshold: in 0..1; None takes the spec's, and without one the graph's labels stay.

    Returns:
        A function that gives a prediction in memory of its own.

    Raises:
        UserError: ``threshold`` is not between 0 and 1, or the model has no confidence output.
    """
    spec = artifact.spec
    if threshold is not None and not (isinstance(threshold, int | float) and 0 < threshold < 1):
        raise UserError(f"`threshold` must lie between 0 and 1; found {threshold!r}.")
    threshold = spec.threshold if threshold is None else threshold
    if threshold is None:
        return Prediction.copy
    if CONFIDENCE not in artifact.outputs:
        raise UserError(
            f"{artifact.path.name} has no confidence output (it has {', '.join(artifact.outputs)}), so no threshold "
            f"can be applied. Export it again with `threshold={threshold:g}`."
        )
    least = math.floor(threshold * 255 + 0.5)
    return _binary(least) if spec.task == "binary" else _multiclass(least, spec.unknown_label)


def _multiclass(least: int, unknown: int) -> ApplyThreshold:
    def apply(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        labels = np.where(prediction.confidence < least, np.uint8(unknown), prediction.labels)
        return Prediction(labels, prediction.confidence.copy())

    return apply


def _binary(least: int) -> ApplyThreshold:
    def apply(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        return Prediction((prediction.confidence >= least).view(np.uint8), prediction.confidence.copy())

    return apply
