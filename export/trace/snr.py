"""Signal to noise of tensors, summed up image by image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeseg.image import Float32
from edgeseg.metrics.confusion import Float64

CHANNELS = 1


class Noise:
    """Signal r against x, both [N, C, ...], over any number of calls.

    Values that are not finite make every figure NaN and are counted in :attr:`not_finite`.
    """

    def __init__(self) -> None:
        self._signal: Any = 0.0
        self._noise: Any = 0.0
        self._product: Any = 0.0
        self._other: Any = 0.0
        self.not_finite = 0

    def add(self, signal: Float32, other: Float32) -> None:
        """Take in one more pair of tensors of equal shape."""
        self.not_finite += other.size - int(np.isfinite(other).sum())
        r, x = (_by_channel(values) for values in (signal, other))
        with np.errstate(all="ignore"):
            self._signal = self._signal + _dot(r, r)
            self._noise = self._noise + _dot(r - x, r - x)
            self._product = self._product + _dot(r, x)
            self._other = self._other + _dot(x, x)

    @property
    def snr_db(self) -> float:
        """Over everything; infinity when nothing differs, NaN when something is not finite."""
        return _decibels(float(np.sum(self._signal)), float(np.sum(self._noise)))

    @property
    def cosine(self) -> float:
        """Of the angle between the two, NaN when one is zero."""
        length = math.sqrt(float(np.sum(self._signal)) * float(np.sum(self._other)))
        return float(np.sum(self._product)) / length if length else math.nan

    @property
    def by_channel_db(self) -> Float64:
        """(C,) of each channel alone; a channel without signal counts as infinity."""
        pairs = zip(np.atleast_1d(self._signal), np.atleast_1d(self._noise), strict=True)
        return np.array([_decibels(float(r), float(n)) if r else math.inf for r, n in pairs])

    @property
    def worst_channel(self) -> int:
        """The channel with the lowest ratio; 0 where there is none."""
        return int(np.nanargmin(np.append(self.by_channel_db, math.inf)[:-1])) if self._any else 0

    @property
    def _any(self) -> bool:
        return bool(np.size(self._signal)) and not np.isnan(self.by_channel_db).all()


def snr_db(signal: Float32, other: Float32) -> float:
    """Compute ``10 log10(sum r^2 / sum (r - x)^2)``; infinity when equal, NaN when not finite."""
    noise = Noise()
    noise.add(signal, other)
    return noise.snr_db


def _by_channel(values: Float32) -> Float32:
    """[N, C, ...] as (C, N * ...)."""
    return values.swapaxes(0, CHANNELS).reshape(values.shape[CHANNELS], -1)


def _dot(a: Float32, b: Float32) -> Float64:
    return np.asarray(np.einsum("cn,cn->c", a, b, dtype=np.float64, casting="same_kind"))


def _decibels(signal: float, noise: float) -> float:
    if math.isnan(noise) or math.isinf(noise) or math.isnan(signal):
        return math.nan
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
