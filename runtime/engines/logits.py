"""Artifacts that give logits and nothing else: labels and confidence are computed here.

Such a file is made for programs that read logits, as Intel's Model API does. Its masks are those that the deployed
graph would give; ArgMax outside the graph costs time, so what edgeseg runs around the clock is better exported with
``labels``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError
from edgeseg.image import UInt8
from edgeseg.multilabel import pack_planes
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec

LOGITS = "logits"
READ_BY = ("onnx", "openvino")
"""Formats whose engines hand their logits over."""
Logits = npt.NDArray[np.float32]


def gives_logits_alone(artifact: Artifact) -> bool:
    """Tell whether an artifact leaves ArgMax to who runs it."""
    return artifact.outputs == (LOGITS,)


def expect_labels(artifact: Artifact, model_format: str) -> None:
    """Raise ArtifactError when an artifact gives logits alone and the engine of ``model_format`` reads labels."""
    if gives_logits_alone(artifact) and model_format not in READ_BY:
        raise ArtifactError(
            f"{artifact.path} gives logits alone; {model_format} reads labels. Export the model again without "
            "`outputs`, or ask for labels and logits."
        )


def lone_logits_shape(spec: ModelSpec) -> tuple[int, int, int, int]:
    """Compute the shape of an output of logits that stands alone: a binary task has background and foreground too."""
    return (1, spec.num_classes, spec.height, spec.width)


def labels_of_logits(logits: Logits, spec: ModelSpec) -> UInt8:
    """Compute the label of each pixel as the deployed graph does.

    Args:
        logits: (K, H, W) float32; K is 2 for a binary task, and its threshold is in the first of them.
        spec: says which task it is, and from where a multilabel task shows a class.

    Returns:
        (H, W) uint8.
    """
    if spec.task == "binary":
        return np.asarray(logits[1] >= logits[0], np.uint8)
    if spec.task == "multilabel":
        return pack_planes(logits >= log_odds(spec)[:, np.newaxis, np.newaxis])
    return np.asarray(logits.argmax(0), np.uint8)


class LogitsReader:
    """Memory for the logits of one slot, and what turns them into a prediction.

    Attributes:
        array: (K, H, W) float32, written by the engine.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self.array: Logits = np.empty(lone_logits_shape(spec)[1:], np.float32)

    def write(self, prediction: Prediction) -> None:
        """Write labels and confidence of what :attr:`array` holds."""
        prediction.labels[...] = labels_of_logits(self.array, self._spec)
        if prediction.confidence is not None:
            np.rint(255 * self._probability(), out=prediction.confidence, casting="unsafe")

    def _probability(self) -> npt.NDArray[np.float32]:
        """P(foreground) of a binary task, (H, W); each class's own, (K, H, W); or the largest softmax probability."""
        if self._spec.task == "binary":
            return _sigmoid(self.array[1] - self.array[0] + log_odds(self._spec)[1])
        if self._spec.task == "multilabel":
            return _sigmoid(self.array)
        return np.asarray(1 / np.exp(self.array - self.array.max(0)).sum(0), np.float32)


def log_odds(spec: ModelSpec) -> Logits:
    """Compute the logit from which each class of a binary or multilabel task is shown, (K,): 0 for 0.5."""
    return np.array([math.log(one / (1 - one)) for one in spec.class_thresholds], np.float32)


def _sigmoid(logits: Logits) -> Logits:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
