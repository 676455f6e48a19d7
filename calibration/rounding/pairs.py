"""Codes of weights of which two have a bound in common.

Without VNNI the kernels of x86 multiply unsigned codes of activations with signed ones of weights, and add two products
in 16 bits, cut to what they hold: ``vpmaddubsw``. So what has to fit is each pair, 255 times the sum of its codes of
one sign, and not every code alone: a large weight beside a small one may have eight bits. Weights of seven bits, 64 and
64, are the worst case of it. Depthwise kernels extend each code to 16 bits first and add in 32: eight bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.image import Float32

EIGHT_BITS, SEVEN_BITS = 127, 64
MOST_OF_A_PAIR = 128
"""Sum of the codes of one sign in a pair: 255 * 128 fits 16 bits, 255 * 129 does not."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Which codes have a bound in common.

    Attributes:
        most: what the codes of one sign in a pair come to, at most.
        apart: whether each place of a kernel has pairs of its own, its last input alone where their number is odd
            (oneDNN, which pads the inputs); else the inputs of the next place follow (MLAS).
    """

    most: int = MOST_OF_A_PAIR
    apart: bool = False

    def neighbours(self, inputs: int, places: int) -> Ints:
        """Return the partner (inputs * places,) of each weight in the order (input, place), -1 where it has none."""
        packed = np.arange(inputs * places).reshape(inputs, places).T
        if self.apart:
            packed = np.pad(packed, ((0, 0), (0, inputs % 2)), constant_values=-1)
        line = np.pad(packed.ravel(), (0, packed.size % 2), constant_values=-1)
        found = np.full(inputs * places + 1, -1)
        found[line[0::2]], found[line[1::2]] = line[1::2], line[0::2]
        partners: Ints = found[:-1]
        return partners

    def sums(self, weights: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
        """Add up pairs: of each weight (outputs, inputs * places) with its partner, the positive, then the negative."""
        rows = weights.reshape(*weights.shape[:2], -1)
        partners = self.neighbours(rows.shape[1], rows.shape[2])
        rows = np.pad(rows.reshape(len(rows), -1), ((0, 0), (0, 1)))
        for signed in (rows, -rows):
            positive = np.maximum(signed, 0)
            yield positive[:, :-1] + positive[:, partners]

    def fit(self, codes: npt.NDArray[Any]) -> bool:
        """Tell whether codes (outputs, inputs, places...) keep the bound."""
        return all(int(sums.max(initial=0)) <= self.most for sums in self.sums(codes.astype(np.int64)))


def scales_that_fit(weights: Float32, pairs: Pairs | None) -> Float32:
    """Choose the least scale (outputs,) with which no pair of codes overflows, at most that of seven bits.

    Sums of two rounded numbers exceed those of the numbers by one at most, so pairs are to give one less before.

    Args:
        weights: (outputs, inputs of one group, places...).
        pairs: None for eight bits.
    """
    values = weights.astype(np.float64)
    largest = np.abs(values).reshape(len(values), -1).max(1, initial=0)
    scales = largest / EIGHT_BITS
    if pairs:
        reach = np.maximum(*(sums.max(1, initial=0) for sums in pairs.sums(values)))
        scales = np.minimum(np.maximum(scales, reach / (pairs.most - 1)), largest / SEVEN_BITS)
    found: Float32 = scales.astype(np.float32)
    return np.where(found < np.finfo(np.float32).tiny, np.float32(1), found)  # as onnxruntime.quantization does


def is_depthwise(shape: tuple[int, ...], groups: int) -> bool:
    """Tell whether weights (outputs, inputs of one group, ...) have one input and one output a group."""
    return groups > 1 and shape[1] == 1 and shape[0] == groups
