"""A convolution, and what it was seen to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.calibration.rounding.compensated import Float64, round_weights
from edgeseg.calibration.rounding.pairs import Pairs, is_depthwise
from edgeseg.image import Float32

SHOWN_IMAGES = 16
PLACES = 400
"""Of one image, at which what a kernel reads is looked at."""
MOST_INPUTS = 4608
"""Inputs of one output, 512 channels of 3x3: more have a covariance of gigabytes, and so many that errors even out."""


def can_be_together(weights: Float32) -> bool:
    """Tell whether weights (outputs, inputs of one group, rows, columns) are few enough to be rounded together."""
    return bool(weights[0].size <= MOST_INPUTS)


@dataclass(frozen=True)
class Geometry:
    """How a convolution over images moves.

    Attributes:
        groups: of channels.
        strides, dilations: along rows and columns.
        pads: rows above, columns left, rows below, columns right; None where they are found from the size.
        more_before: with that, whether the odd row or column goes above or left.
    """

    groups: int = 1
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] | None = (0, 0, 0, 0)
    more_before: bool = False

    def padding(self, size: Sequence[int], sides: Sequence[int]) -> tuple[int, int, int, int]:
        """Find rows above, columns left, rows below, columns right of an image of ``size``."""
        if self.pads is not None:
            return self.pads
        whole = [
            max(0, (-(-length // stride) - 1) * stride + dilation * (side - 1) + 1 - length)
            for length, side, stride, dilation in zip(size, sides, self.strides, self.dilations, strict=True)
        ]
        before = [total - total // 2 if self.more_before else total // 2 for total in whole]
        return before[0], before[1], whole[0] - before[0], whole[1] - before[1]


class Kernel:
    """A convolution over images, and what it was seen to read.

    Attributes:
        layer, reads: names of the layer and of the tensor that it reads.
        weights: (outputs, inputs of one group, rows, columns).
    """

    def __init__(self, layer: str, reads: str, weights: Float32, geometry: Geometry) -> None:
        self.layer, self.reads, self.weights = layer, reads, weights
        self._geometry = geometry
        size = int(np.prod(weights.shape[1:]))
        self._products: Float64 = np.zeros((geometry.groups, size, size))
        self._sums: Float64 = np.zeros((geometry.groups, size))
        self._count = 0

    def see(self, values: Float32, random: np.random.Generator) -> None:
        """Add what the kernel reads of (1, C, H, W) at random places."""
        patches = self.patches(values[0], random)
        self._products += patches.swapaxes(1, 2) @ patches
        self._sums += patches.sum(1)
        self._count += patches.shape[1]

    def round(self, scales: Float32, pairs: Pairs | None) -> Float32:
        """Round the weights by the covariance of what was seen."""
        mean = self._sums / self._count
        covariance = self._products / self._count - mean[:, :, np.newaxis] * mean[:, np.newaxis]
        alone = is_depthwise(self.weights.shape, self._geometry.groups)
        return round_weights(self.weights, scales, covariance, None if alone else pairs)

    def shift(self, rounded: Float32) -> Float64:
        """Compute by how much the mean of each output is off with rounded weights, (outputs,)."""
        off = (rounded - self.weights).reshape(*self._sums.shape[:1], -1, self._sums.shape[1]).astype(np.float64)
        found: Float64 = (off @ (self._sums / self._count)[:, :, np.newaxis]).reshape(-1)
        return found

    def patches(self, values: Float32, random: np.random.Generator) -> Float32:
        """Cut (groups, places, inputs of one group * rows * columns) out of (C, H, W)."""
        sides, how = self.weights.shape[2:], self._geometry
        above, left, below, right = how.padding(values.shape[1:], sides)
        padded = np.pad(values, ((0, 0), (above, below), (left, right)))
        reach = [dilation * (side - 1) for side, dilation in zip(sides, how.dilations, strict=True)]
        height, width = (
            (size - more - 1) // stride + 1
            for size, more, stride in zip(padded.shape[1:], reach, how.strides, strict=True)
        )
        places = random.choice(height * width, min(PLACES, height * width), replace=False)
        offsets = [np.arange(side) * dilation for side, dilation in zip(sides, how.dilations, strict=True)]
        rows = (places // width * how.strides[0])[:, np.newaxis] + np.repeat(offsets[0], sides[1])
        columns = (places % width * how.strides[1])[:, np.newaxis] + np.tile(offsets[1], sides[0])
        seen = padded[:, rows, columns].reshape(how.groups, -1, len(places), sides[0] * sides[1])
        found: Float32 = np.ascontiguousarray(seen.swapaxes(1, 2)).reshape(how.groups, len(places), -1)
        return found
