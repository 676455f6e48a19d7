"""A network as rescaling sees it: tensors with channels, and what each operation does to a factor on a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


class Kind(Enum):
    """What an operation does when each channel of what it reads is multiplied by a positive factor of its own."""

    PASSES = "gives the same times that factor, channel by channel"
    JOINS = "sets the channels of several tensors side by side"
    WEIGHS = "multiplies with weights, which can take a factor off and put another one on"
    STOPS = "gives something else"


@dataclass(frozen=True)
class Weights:
    """Constants of a convolution in one form for every engine.

    Attributes:
        values: (outputs, inputs of one group, taps) float64.
        groups: of the convolution.
    """

    values: Float64
    groups: int = 1

    @property
    def is_depthwise(self) -> bool:
        """True when every output reads one input."""
        return int(self.values.shape[1]) == 1

    def inputs(self) -> npt.NDArray[np.int64]:
        """List which input channel each (output, input of its group) reads, (outputs, inputs of one group)."""
        outputs, of_group, _ = self.values.shape
        group = np.arange(outputs) // (outputs // self.groups)
        found: npt.NDArray[np.int64] = group[:, np.newaxis] * of_group + np.arange(of_group)
        return found


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        kind: see :class:`Kind`.
        reads, makes: names of the tensors that change with the image.
        weights: of a step that weighs.
        node: the operation itself, for whoever writes the factors into it.
    """

    kind: Kind
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    weights: Weights | None = None
    node: Any = None


@dataclass(frozen=True)
class Steps:
    """A whole network.

    Attributes:
        steps: in the order of computation.
        channels: how many each tensor has; a tensor that is missing here has none that could be scaled.
    """

    steps: tuple[Step, ...]
    channels: Mapping[str, int] = field(default_factory=dict)
