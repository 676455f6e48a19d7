"""Measured times of a stage of the pipeline."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

_KEPT = 4096
clock_s = time.perf_counter


@dataclass(frozen=True)
class Percentiles:
    """How long a stage took; ``count`` is all it did, the percentiles are of its last 4096 times."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Stage:
    """Durations of one stage, in constant memory. One thread records into a stage."""

    def __init__(self) -> None:
        self.count = 0
        self._seconds = np.zeros(_KEPT)

    def record(self, seconds: float) -> None:
        """Add one duration; the oldest is forgotten when there are more than are kept."""
        self._seconds[self.count % _KEPT] = seconds
        self.count += 1

    def percentiles(self) -> Percentiles:
        """Compute the percentiles so far; NaN when nothing was recorded."""
        if not self.count:
            return Percentiles(0, float("nan"), float("nan"), float("nan"))
        p50, p95, p99 = np.percentile(self._seconds[: min(self.count, _KEPT)], (50, 95, 99)) * 1e3
        return Percentiles(self.count, float(p50), float(p95), float(p99))
