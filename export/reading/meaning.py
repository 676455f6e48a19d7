"""What the values of a foreign network's tensor mean, and how they become logits, in numpy.

The same arithmetic is put into the graph by :mod:`edgeseg.export.reading.attach`; here it reads what the network of
the user gives when he runs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeseg.export.reading.graph_view import Array
from edgeseg.image import Float32

LOGITS, PROBABILITIES, SCORES, LABELS = "logits", "probabilities", "scores", "labels"
LEAST = 1e-7
"""Probabilities nearer to 0 or 1 count as this near: float32 and float16 can still say it."""
SURE = 32.0
"""The logit of a pixel whose label is all that is known."""


@dataclass(frozen=True)
class Meaning:
    """How values are to be read.

    Attributes:
        kind: ``logits``; ``probabilities`` (of classes that exclude each other, or of one, or each on its own);
            ``scores``, whose largest wins and which say nothing else; or ``labels``.
        axis: where the classes are in a tensor of rank 3 or 4; None: there is one channel, wherever it stands.
        low, high: what stands for the probabilities 0 and 1.
        independent: classes do not exclude each other (a sigmoid each).
    """

    kind: str
    axis: int | None = None
    low: float = 0.0
    high: float = 1.0
    independent: bool = False

    def planes(self, values: Array) -> Float32:
        """Order values as float32 ``[1, K, h, w]``."""
        values = np.asarray(values)
        if self.axis is None:
            sides = [side for side in values.shape if side != 1]
            sides = sides if len(sides) == 2 else list(values.shape[-2:])
            return np.ascontiguousarray(values.reshape(1, 1, *sides).astype(np.float32))
        moved = np.moveaxis(values if values.ndim == 4 else values[np.newaxis], self.axis_of_4(values.ndim), 1)
        return np.ascontiguousarray(moved.astype(np.float32))

    def axis_of_4(self, rank: int) -> int:
        """Return the axis of the classes with a batch in front."""
        assert self.axis is not None
        return self.axis % rank + (4 - rank)

    def logits(self, planes: Float32, classes: int) -> Float32:
        """Turn planes ``[1, K, H, W]`` (one plane of labels) into logits ``[1, K, H, W]``, float32."""
        if self.kind == LABELS:
            return np.where(planes == np.arange(classes).reshape(1, -1, 1, 1), np.float32(SURE), np.float32(0))
        if self.kind != PROBABILITIES:
            return planes
        p = (planes.astype(np.float64) - self.low) / (self.high - self.low)
        p = np.clip(p, LEAST, 1 - LEAST if self.has_complement(planes.shape[1]) else None)
        return np.asarray(np.log(p / (1 - p)) if self.has_complement(planes.shape[1]) else np.log(p), np.float32)

    def has_complement(self, channels: int) -> bool:
        """Tell whether ``1 - p`` is the probability of everything else, so that the logit is ``log(p / (1 - p))``."""
        return channels == 1 or self.independent


def sums_to_one(planes: Float32) -> bool:
    """Tell whether classes share one sum at every pixel, as after a softmax (or 255 times one)."""
    total = planes.astype(np.float64).sum(1)
    return bool(planes.min() >= 0 and total.max() > 0 and np.ptp(total) <= 4e-3 * total.max())


def class_axis(shape: tuple[int, ...], classes: int, size: tuple[int, int], last: bool) -> int | None:
    """Find the axis of the classes in a result, by what occurs; None where there is one channel.

    Args:
        shape: of the result, with its batch of one or without.
        classes: how many are expected.
        size: height and width of the input.
        last: the input has its channels last.

    >>> class_axis((1, 18, 24, 3), 3, (144, 192), True), class_axis((1, 18, 24, 3), 18, (144, 192), True)
    (3, 3)
    >>> class_axis((1, 3, 36, 48), 3, (144, 192), False), class_axis((1, 144, 192, 1), 1, (144, 192), True)
    (1, None)
    """
    whole = shape if len(shape) == 4 else (1, *shape)
    if len([side for side in whole if side != 1]) <= 2 and 1 in (whole[1], whole[-1]):
        return None
    first_fits, last_fits = _is_picture(whole[2:], size), _is_picture(whole[1:3], size)
    if first_fits != last_fits:
        axis = 1 if first_fits else 3
    elif (whole[1] == classes) != (whole[3] == classes):
        axis = 1 if whole[1] == classes else 3
    else:
        axis = 3 if last else 1
    return axis - (4 - len(shape))


def _is_picture(sides: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Tell whether two sides are a scaled height and width, give or take a pixel."""
    scale = min(sides[0] / size[0], sides[1] / size[1])
    return all(abs(side - scale * whole) <= 1 + scale for side, whole in zip(sides, size, strict=True))
