"""A foreign network as its author runs it, and the masks that he gets: the reference of every proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from edgeseg.errors import SpecError
from edgeseg.export.graphs.ort_session import make_run
from edgeseg.export.graphs.upsampling import enlarge_logits
from edgeseg.export.reading.entry import Entry
from edgeseg.export.reading.graph_view import Array
from edgeseg.export.reading.meaning import LABELS, LOGITS, Meaning
from edgeseg.export.reading.tail import ARGMAX, NOTHING, THRESHOLD, Tail
from edgeseg.export.source.reference_engine import prediction_from_logits
from edgeseg.image import Float32, UInt8
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec

Own = Callable[[Float32], Array]
"""Normalised ``[1, C, H, W]`` to the network's own output, as it has it."""


@dataclass(frozen=True)
class Results:
    """What a network gives for one picture: its output, and the scores inside that it is made from."""

    output: Array
    scores: Array


class Original:
    """The network as it was given.

    Args:
        graph: as its author runs it, of fixed size.
        entry: what it takes.
        tail: what its output is made of.
        own: runs it where it is no file, such as a torch module; None: ONNX Runtime runs ``graph``.
    """

    def __init__(self, graph: onnx.ModelProto, entry: Entry, tail: Tail, own: Own | None = None) -> None:
        watched = onnx.ModelProto()
        watched.CopyFrom(graph)
        if tail.kind != NOTHING:
            watched.graph.output.append(onnx.helper.make_value_info(tail.scores, onnx.TypeProto()))
        self._run, self._entry, self._own, self._has_tail = make_run(watched), entry, own, tail.kind != NOTHING

    def __call__(self, values: Float32) -> Results:
        """Run one picture."""
        if self._own is not None and not self._has_tail:
            output = self._own(values)
            return Results(output, output)
        found = [self._first(one) for one in self._run(self._entry.given(values))]
        output = found[0] if self._own is None else self._own(values)
        return Results(output, found[-1])

    def _first(self, result: Any) -> Array:
        """The one picture of a batch."""
        values = np.asarray(result)
        return values[:1] if self._entry.batch > 1 and values.ndim and values.shape[0] == self._entry.batch else values


@dataclass(frozen=True)
class Reading:
    """How an original's results become masks.

    Attributes:
        original: the network.
        tail: what its output is made of.
        meaning: of its scores.
        spec: what is made of it.
        upsample: how smaller results are brought to the input's size.
    """

    original: Original
    tail: Tail
    meaning: Meaning
    spec: ModelSpec
    upsample: str | None = None

    @property
    def may_be_independent(self) -> bool:
        """Whether the output is logits of several classes and nothing says that they exclude each other."""
        return self.tail.kind == NOTHING and self.meaning.kind == LOGITS and self.meaning.axis is not None

    def logits(self, values: Float32) -> Float32:
        """Compute the logits ``[1, K, H, W]`` that stand for the original's scores."""
        return self.meaning.logits(self._planes(self.original(values)), self.spec.num_classes)

    def predict(self, values: Float32) -> Prediction:
        """Compute what the author sees: labels by his own output, and how sure his own scores are."""
        results = self.original(values)
        planes = self._planes(results)
        found = prediction_from_logits(self.meaning.logits(planes, self.spec.num_classes), self.spec)
        return Prediction(self._labels(results, planes, found.labels), found.confidence)

    def _labels(self, results: Results, planes: Float32, by_logits: UInt8) -> UInt8:
        if self.tail.kind == ARGMAX or self.meaning.kind == LABELS:
            return label_map(results.output)
        if self.tail.kind == THRESHOLD and planes.shape[1] == 1 and self._is_own_threshold():
            return (label_map(results.output) > 0).astype(np.uint8)
        return np.asarray(planes[0].argmax(0), np.uint8) if self.spec.task == "multiclass" else by_logits

    def _is_own_threshold(self) -> bool:
        own = own_threshold(self.tail, self.meaning)
        return abs((self.spec.threshold or 0.5) - own) < 1e-6

    def _planes(self, results: Results) -> Float32:
        planes = self.meaning.planes(results.scores)
        size = (self.spec.height, self.spec.width)
        if self.upsample is None or planes.shape[2:] == size:
            return planes
        return enlarge_logits(planes, size, self.upsample)


def own_threshold(tail: Tail, meaning: Meaning) -> float:
    """Return the probability that a threshold inside a network compares with."""
    if meaning.kind == "probabilities":
        return (tail.limit - meaning.low) / (meaning.high - meaning.low)
    return float(1 / (1 + np.exp(-tail.limit)))


def label_map(output: Array) -> UInt8:
    """Bring labels of any shape with one plane, and of any type, to HW uint8.

    Raises:
        SpecError: labels that do not fit.
    """
    values = np.asarray(output)
    if values.size and (values.min() < 0 or values.max() > 255):
        raise SpecError(f"The network gives the labels {values.min()} to {values.max()}; a label is 0 to 255.")
    sides = [side for side in values.shape if side != 1]
    return values.reshape(sides if len(sides) == 2 else values.shape[-2:]).astype(np.uint8)
