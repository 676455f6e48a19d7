"""The deployed graph's arithmetic in numpy, around any float network.

It stands behind the engine seam, so that torch and foreign networks go through the very same
predictor as the artifacts made from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgeseg.errors import EngineError
from edgeseg.export.graphs.ort_session import Forward
from edgeseg.image import Float32, UInt8, normalise
from edgeseg.multilabel import pack_planes
from edgeseg.runtime.engines.engine import CLOSED_SLOT
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec

Predict = Callable[[Float32], Prediction]
"""Normalised ``[1, C, H, W]`` to labels and confidence."""


def softmax(logits: Float32) -> Float32:
    """Compute the softmax over axis 1."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def sigmoid(logits: Float32) -> Float32:
    """Compute ``1 / (1 + exp(-x))`` of each logit, float32."""
    with np.errstate(over="ignore"):  # exp of a large number is infinity, and its probability is 0
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def prediction_from_logits(logits: Float32, spec: ModelSpec) -> Prediction:
    """Turn logits ``[1, K, H, W]`` into labels and confidence, as ``docs/architecture.md`` defines them."""
    if spec.task == "binary":
        threshold = 0.5 if spec.threshold is None else spec.threshold
        labels = logits[0, 0] >= np.float32(math.log(threshold / (1 - threshold)))
        return Prediction(labels.astype(np.uint8), _as_uint8(sigmoid(logits)[0, 0]))
    if spec.task == "multilabel":
        limits = np.array([math.log(t / (1 - t)) for t in spec.class_thresholds], np.float32)
        return Prediction(pack_planes(logits[0] >= limits[:, None, None]), _as_uint8(sigmoid(logits)[0]))
    labels = logits[0].argmax(0).astype(np.uint8)
    return Prediction(labels, _as_uint8(softmax(logits)[0].max(0)) if spec.has_threshold else None)


def _as_uint8(probability: Float32) -> UInt8:
    return np.round(probability * np.float32(255)).astype(np.uint8)


class ReferenceEngine:
    """Engine around a network as it is.

    Args:
        forward: normalised input to logits.
        spec: its contract.
        predict: normalised input to what the network's own last layers say; None: what follows from the logits.
    """

    def __init__(self, forward: Forward, spec: ModelSpec, predict: Predict | None = None) -> None:
        self.spec = spec
        self._forward: Forward | None = forward
        self._predict = predict

    def open_slot(self) -> ReferenceSlot:
        """Open a slot; raises EngineError when the engine is closed."""
        if self._forward is None:
            raise EngineError("This engine is closed; open it again before asking for a slot.")
        return ReferenceSlot(self, self.spec)

    def forward(self, planes: Float32) -> Float32:
        """Compute the logits of normalised input ``[1, C, H, W]``.

        Raises:
            EngineError: the engine is closed.
        """
        if self._forward is None:
            raise EngineError("This engine is closed; open it again before using its slots.")
        return self._forward(planes)

    def predict(self, planes: Float32) -> Prediction:
        """Compute labels and confidence of normalised input ``[1, C, H, W]``.

        Raises:
            EngineError: the engine is closed.
        """
        if self._predict is None or self._forward is None:
            return prediction_from_logits(self.forward(planes), self.spec)
        return self._predict(planes)

    def close(self) -> None:
        """Let go of the network; a second call does nothing."""
        self._forward = None


class ReferenceSlot:
    """A slot of the reference engine: one image, computed in the thread that runs it."""

    def __init__(self, engine: ReferenceEngine, spec: ModelSpec) -> None:
        self.input: UInt8 = np.zeros((spec.height, spec.width, spec.channels), np.uint8)
        self._engine: ReferenceEngine | None = engine
        self._spec = spec

    def run(self) -> Prediction:
        """Infer what the input holds; see :meth:`edgeseg.runtime.engines.engine.Slot.run`."""
        if self._engine is None:
            raise EngineError(CLOSED_SLOT)
        return self._engine.predict(normalise(self.input, self._spec)[np.newaxis])

    def close(self) -> None:
        """Let go of the engine; see :meth:`edgeseg.runtime.engines.engine.Slot.close`."""
        self._engine = None
