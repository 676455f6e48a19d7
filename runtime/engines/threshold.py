"""Pixels that are not sure enough lose their class."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.multilabel import pack_planes
from edgeseg.runtime.engines.engine import CONFIDENCE
from edgeseg.runtime.engines.logits import gives_logits_alone
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec, Threshold

ApplyThreshold = Callable[[Prediction], Prediction]


@checked
def threshold_for(artifact: Artifact, threshold: Threshold | None = None) -> ApplyThreshold:
    """Choose what is done to a prediction of ``artifact`` before anyone sees it.

    Multiclass: pixels whose confidence is under the threshold, or under that of their class, become
    ``spec.unknown_label``. Binary: pixels from the threshold on are foreground, whatever the graph's own 0.5 said.
    Multilabel: pixels show a class from its threshold on.
    Confidence is eight bits wide, so a threshold is met to within 1/510; the own one of a binary or multilabel model is
    in its graph, and met as it is.

    Args:
        artifact: gives the spec and says whether it has a confidence output.
        threshold: in 0..1, or one a class by its name; None takes the spec's, and without one the graph's labels stay.

    Returns:
        A function that gives a prediction in memory of its own.

    Raises:
        UserError: ``threshold`` is not between 0 and 1, is of no class, or the model has no confidence output.
    """
    spec = artifact.spec if threshold is None else artifact.spec.with_threshold(threshold)
    if threshold is None and (spec.task != "multiclass" or not spec.has_threshold):
        return Prediction.copy
    if CONFIDENCE not in artifact.outputs and not gives_logits_alone(artifact):
        told = f"{threshold or spec.threshold!r}" if spec.thresholds else f"{spec.threshold:g}"
        raise UserError(
            f"{artifact.path.name} has no confidence output (it has {', '.join(artifact.outputs)}), so no threshold "
            f"can be applied. Export it again with `threshold={told}`."
        )
    return threshold_of(spec)


class ChangeableThreshold:
    """Applies a threshold that may be changed while slots run, see :func:`threshold_for`.

    Args:
        artifact: gives the spec and says whether it has a confidence output.
        threshold: the first one.

    Attributes:
        value: the one that is applied; None for the model's own.

    Raises:
        UserError: as from :func:`threshold_for`.
    """

    @checked
    def __init__(self, artifact: Artifact, threshold: Threshold | None = None) -> None:
        self._artifact = artifact
        self.value = threshold
        self._apply = threshold_for(artifact, threshold)

    def change(self, threshold: Threshold | None) -> None:
        """Change to another threshold from the next inference on; from any thread.

        Raises:
            UserError: as from :func:`threshold_for`; then the one before stays.
        """
        self._apply = threshold_for(self._artifact, threshold)
        self.value = threshold

    def __call__(self, prediction: Prediction) -> Prediction:
        """Return a prediction of its own, with the threshold applied."""
        return self._apply(prediction)


@checked
def shown_threshold(spec: ModelSpec, has_confidence: bool) -> ApplyThreshold | None:
    """Choose what a run does to predictions, with no threshold but the spec's; None where labels stay as they are.

    A model that has a threshold and no confidence is not run; its labels are looked at as they are.
    """
    if spec.task == "multilabel" or not (spec.has_threshold and has_confidence):
        return None
    return threshold_of(spec)


@checked
def threshold_of(spec: ModelSpec) -> ApplyThreshold:
    """Make what is done to predictions with confidence, see :func:`threshold_for`."""
    least = np.array([math.floor(one * 255 + 0.5) for one in spec.class_thresholds], np.uint8)
    if spec.task == "multilabel":
        return _multilabel(least)
    return _binary(int(least[1])) if spec.task == "binary" else _multiclass(least, spec.unknown_label)


def _multiclass(least: UInt8, unknown: int) -> ApplyThreshold:
    by_label = np.zeros(256, np.uint8)
    by_label[: len(least)] = least

    def apply(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        unsure = prediction.confidence < by_label[prediction.labels]
        return Prediction(np.where(unsure, np.uint8(unknown), prediction.labels), prediction.confidence.copy())

    def apply_one(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        labels = np.where(prediction.confidence < least[0], np.uint8(unknown), prediction.labels)
        return Prediction(labels, prediction.confidence.copy())

    return apply if len(set(least.tolist())) > 1 else apply_one


def _multilabel(least: UInt8) -> ApplyThreshold:
    def apply(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        shown = prediction.confidence >= least[:, np.newaxis, np.newaxis]
        return Prediction(pack_planes(shown), prediction.confidence.copy())

    return apply


def _binary(least: int) -> ApplyThreshold:
    def apply(prediction: Prediction) -> Prediction:
        assert prediction.confidence is not None
        return Prediction((prediction.confidence >= least).view(np.uint8), prediction.confidence.copy())

    return apply
