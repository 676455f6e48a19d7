"""What a trace asks of one form of a model, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from edgeseg.image import Float32, UInt8

NORMALISED = "edgeseg/normalised"
LOGITS = "logits"
SURROUNDINGS = "edgeseg/"

Tensors = Mapping[str, Float32]
Taps = Callable[[UInt8], Tensors]
"""(H, W, C) uint8 at network size to the tensors that were asked for."""
Replay = Callable[[UInt8, Tensors], Tensors]
"""The same input and another form's tensors to what this form's layers make of exactly those."""


@dataclass(frozen=True)
class Layer:
    """A tensor that can be compared, and the operation that computes it.

    Attributes:
        name: of the tensor; the ONNX name, which every form made from the ONNX file keeps.
        op: type of the operation.
        sources: the comparable tensors that it is computed from.
        weights: name of its weights where it has any; says more to a person than the tensor's.
    """

    name: str
    op: str
    sources: tuple[str, ...]
    weights: str = ""

    @property
    def title(self) -> str:
        """The tensor, with the module that makes it where that is known."""
        module = self.weights.removeprefix("net/").removesuffix(".weight")
        return f"{self.name} ({module})" if module else self.name


@dataclass(frozen=True)
class Range:
    """What one quantiser can express.

    Attributes:
        low, high: smallest and largest value; wider ones are clipped. One a tensor, or one a channel.
    """

    low: Float32
    high: Float32


@dataclass(frozen=True)
class Ending:
    """What the untouched model gives: labels (H, W) uint8, logits [1, K, H, W]."""

    labels: UInt8
    logits: Float32


class Form(Protocol):
    """One form of a model: a graph in an engine."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def quantised(self) -> bool:
        """True when some of its layers take 8-bit values."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Comparable tensors in the order of computation."""

    @property
    def readable(self) -> frozenset[str]:
        """Names that :meth:`taps` takes; more than :attr:`layers`, because of aliases."""

    def taps(self, names: Collection[str]) -> Taps:
        """Read tensors from inside, as the engine computes them when they are read."""

    def exact(self, names: Collection[str]) -> Taps:
        """Read tensors like :meth:`taps`, as the graph says: without integer kernels and fusions of the engine."""

    def replay(self, names: Collection[str]) -> Replay:
        """Run every layer on given inputs: the graph cut at ``names``."""

    def whole(self) -> Callable[[UInt8], Ending]:
        """Run the model as it is deployed, with nothing read from inside but the logits."""

    def ranges(self, name: str) -> tuple[Range, ...]:
        """List the quantisers that a tensor goes through before its consumers take it."""


def is_comparable(name: str) -> bool:
    """Tell whether a node counts: preprocessing with its result only, and post-processing not at all."""
    return name in (NORMALISED, LOGITS) or not name.startswith(SURROUNDINGS)
