"""When a series of measurements changed, and whether it slides.

A change of the mean is the place where the sums of what lies before and after differ most for their number (CUSUM: E.
S. Page, 1954); it counts when shuffled values, which changed nowhere, differ so much in fewer than one of a hundred
cases. Both sides are then looked at again (binary segmentation: Scott and Knott, 1974). A slide without a step is
told by the signs of all differences (Mann, 1945), its slope by their median (Sen, 1968).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

LEAST = 4
"""Measurements on each side of a change; of fewer nobody can tell."""
SHUFFLES, BY_CHANCE = 999, 0.01
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """A step in a series.

    Attributes:
        at: number of the first measurement after it.
        before, after: median of the stretch that ends there, and of the one that begins.
    """

    at: int
    before: float
    after: float


def find_changes(values: Sequence[float]) -> list[Change]:
    """Find steps, first one first.

    Args:
        values: in the order in which they were measured; None of them NaN.

    >>> [change.at for change in find_changes([1.0, 1.1, 0.9, 1.0, 1.1, 1.0, 2.0, 2.1, 1.9, 2.0, 2.1, 2.0])]
    [6]
    """
    series = np.asarray(values, np.float64)
    ends = [0, *sorted(_split(series, 0, np.random.default_rng(0))), len(series)]
    medians = [float(np.median(series[a:b])) for a, b in itertools.pairwise(ends)] if len(series) else []
    return [Change(ends[i], medians[i - 1], medians[i]) for i in range(1, len(ends) - 1)]


def _split(series: Float64, offset: int, rng: np.random.Generator) -> list[int]:
    if len(series) < 2 * LEAST:
        return []
    at, height = _steepest(series[None])
    shuffled = rng.permuted(np.repeat(series[None], SHUFFLES, 0), axis=1)
    chance = (1 + int((_steepest(shuffled)[1] >= height[0]).sum())) / (1 + SHUFFLES)
    if chance > BY_CHANCE or not height[0] > 0:
        return []
    cut = int(at[0])
    return [*_split(series[:cut], offset, rng), offset + cut, *_split(series[cut:], offset + cut, rng)]


def _steepest(rows: Float64) -> tuple[npt.NDArray[np.int64], Float64]:
    """Where each row (R, N) has its largest step, and how large it is for the number of values on both sides."""
    count = rows.shape[1]
    sums = np.cumsum(rows - rows.mean(1, keepdims=True), 1)[:, :-1]
    left = np.arange(1, count)
    heights = np.abs(sums) / np.sqrt(left * (count - left) / count)
    heights[:, : LEAST - 1] = heights[:, count - LEAST :] = -1.0
    at = heights.argmax(1)
    return at + 1, heights[np.arange(len(rows)), at]


@dataclass(frozen=True)
class Slide:
    """A drift without a step that explains it.

    Attributes:
        slope: by how much a value changes in one unit of time.
        chance: how often values without a slide would look like this.
    """

    slope: float
    chance: float


def find_slide(times: Sequence[float], values: Sequence[float]) -> Slide | None:
    """Find a slow slide; None where chance explains what is seen in more than one of a hundred cases.

    Args:
        times: when each value was measured, in any unit.
        values: as many.
    """
    x, y = np.asarray(times, np.float64), np.asarray(values, np.float64)
    count = len(y)
    if count < 2 * LEAST:
        return None
    first, second = np.triu_indices(count, 1)
    rise = np.sign(y[second] - y[first])
    ties = np.unique(y, return_counts=True)[1]
    variance = (count * (count - 1) * (2 * count + 5) - int((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0:
        return None
    total = float(rise.sum())
    chance = 2 * (1 - NormalDist().cdf(max(0.0, abs(total) - 1) / math.sqrt(variance)))
    apart = x[second] > x[first]
    if chance > BY_CHANCE or not apart.any():
        return None
    slopes = (y[second] - y[first])[apart] / (x[second] - x[first])[apart]
    return Slide(float(np.median(slopes)), chance)


def explain(times: Sequence[float], values: Sequence[float]) -> tuple[list[Change], Slide | None]:
    """Say by steps or by a slide how a series changed, whichever leaves less unexplained for its number of parameters.

    A slide looks like several steps, and a step like a slide; they are told apart by the Bayesian information criterion
    (Schwarz, 1978).

    Args:
        times, values: see :func:`find_slide`.
    """
    changes, slide = find_changes(values), find_slide(times, values)
    if not changes or slide is None:
        return changes, slide
    x, y = np.asarray(times, np.float64), np.asarray(values, np.float64)
    line = y - slide.slope * x
    ends = [0, *(change.at for change in changes), len(y)]
    flat = np.concatenate([y[a:b] - y[a:b].mean() for a, b in itertools.pairwise(ends)])
    if _criterion(line - line.mean(), 2) < _criterion(flat, 1 + 2 * len(changes)):
        return [], slide
    return changes, None


def _criterion(rest: Float64, parameters: int) -> float:
    count = len(rest)
    return count * math.log(max(float((rest**2).mean()), 1e-300)) + parameters * math.log(count)
