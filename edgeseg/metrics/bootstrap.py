"""How sure a difference between two forms of a model is: the paired bootstrap over blocks of images.

Blocks are drawn with replacement, as many as there are; what both forms counted on the drawn ones is summed, and the
difference is computed again as it was on all of them. The spread of many such differences is that of the difference
itself (B. Efron, 1979; over blocks of dependent images: P. Hall, 1985).

Percentiles of few draws are too narrow. They are expanded as T. Hesterberg proposes ("What Teachers Should Know About
the Bootstrap", 2015, arXiv:1411.5279, section 3.4): the level p becomes that of a normal distribution at
``sqrt(n / (n - 1)) * t(p, n - 1)`` with n blocks.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Statistic = Callable[[Float64], Float64]
"""Sums of counts (R, ...) to R differences, or (R, K)."""

RESAMPLES = 2000
LEAST_BLOCKS = 8
"""Of fewer blocks the spread is not known: nothing is sure then."""
SURE = 0.95


@dataclass(frozen=True)
class Interval:
    """How sure an estimate is.

    Attributes:
        lower, upper: between them the true value lies in 95 of 100 such measurements.
        bound: under it, in 95 of 100.
        floor: over it, in 95 of 100.
        blocks: how many blocks of images it was found on.
        sequences: of how many sequences these are, where those are too few to speak for others; else 0.
    """

    lower: float
    upper: float
    bound: float
    floor: float
    blocks: int
    sequences: int = 0

    @property
    def is_known(self) -> bool:
        """There were enough blocks."""
        return math.isfinite(self.bound)


def unknown(blocks: int) -> Interval:
    """Make the interval that says nothing, of too few blocks."""
    return Interval(-math.inf, math.inf, math.inf, -math.inf, blocks)


@functools.lru_cache(maxsize=4)
def draw_blocks(blocks: int, resamples: int = RESAMPLES, seed: int = 0) -> Int64:
    """Draw ``blocks`` of them with replacement, many times: how often each was drawn, (R, blocks) int64."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    drawn.flags.writeable = False
    return drawn


def resample(counts: Int64, block_of: Sequence[int], drawn: Int64) -> Float64:
    """Sum counts of images over the blocks of each draw.

    Args:
        counts: (N, ...) of each image.
        block_of: the block of each image.
        drawn: of :func:`draw_blocks`.

    Returns:
        (R, ...) float64; sums of pixels under 2^53 are exact.
    """
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    of_block = np.zeros((drawn.shape[1], flat.shape[1]))
    np.add.at(of_block, np.asarray(block_of), flat)
    sums: Float64 = drawn.astype(np.float64) @ of_block
    return sums.reshape(len(drawn), *counts.shape[1:])


def find_interval(values: Float64, blocks: int, looks: int = 1) -> Interval:
    """Read an interval off the differences of many draws; of fewer than eight blocks it is not known.

    Args:
        values: (R,); draws in which the difference is not defined (NaN) are left out.
        blocks: how many were drawn each time.
        looks: how many models were held against the same images to find this one. What is said of the best of them is
            as sure as of one only when each may be wrong in as many times fewer measurements (Bonferroni).
    """
    wrong = (1 - SURE) / looks
    values = values[np.isfinite(values)]
    if blocks < LEAST_BLOCKS or not len(values):
        return unknown(blocks)
    both, one = expand_level(1 - wrong / 2, blocks), expand_level(1 - wrong, blocks)
    lower, upper, bound, floor = np.quantile(values, [1 - both, both, one, 1 - one])
    return Interval(float(lower), float(upper), float(bound), float(floor), blocks)


def expand_level(level: float, blocks: int) -> float:
    """Widen a level of the percentiles for a small number of blocks.

    >>> round(expand_level(0.975, 10), 4), round(expand_level(0.975, 1000), 4)
    (0.9914, 0.9752)
    """
    return NormalDist().cdf(math.sqrt(blocks / (blocks - 1)) * t_quantile(level, blocks - 1))


def t_quantile(level: float, freedom: int) -> float:
    """Compute a quantile of Student's t distribution (Abramowitz and Stegun, 26.7.5); freedom is 5 or more.

    >>> round(t_quantile(0.95, 7), 3), round(t_quantile(0.975, 30), 3)
    (1.895, 2.042)
    """
    z, n = NormalDist().inv_cdf(level), freedom
    terms = (
        (z**3 + z) / (4 * n),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3),
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4),
    )
    return z + sum(terms)
