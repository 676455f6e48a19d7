"""Latency as a ratio to a fixed piece of work timed in the same moments.

Absolute milliseconds say as much about a process's neighbours as about a model. So runs on one thread
alternate with a reference workload, and both are timed by the CPU time of this process, which leaves out
the moments when others had the core. With five busy processes on two cores this ratio stayed within
4 %, where the ratio of wall times moved by 30 %. It changes when the model or the engine does.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.given import checked
from edgeseg.image import Float32
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.measure.bench import time_runs, warm_up

REFERENCE_SIZE, REFERENCE_PASSES, MIN_ROUNDS = 256, 4, 30


@dataclass(frozen=True)
class LatencyRatio:
    """An engine's cost on one thread in units of the reference workload.

    Attributes:
        ratio: median over the rounds of engine time / reference time.
        spread: half the range of the middle half of the rounds, as a share of the ratio.
        engine_ms, reference_ms: median CPU times, for people; they depend on the machine.
        rounds: how many pairs were timed.
    """

    ratio: float
    spread: float
    engine_ms: float
    reference_ms: float
    rounds: int


def reference_workload_ms() -> float:
    """Time one pass of the reference work, 7x7 and 3x3 float convolutions: CPU time in milliseconds.

    On one thread when OpenCV is set to one, as :func:`latency_ratio` does.
    """
    picture, large, small = _reference_data()
    start = time.process_time()
    for _ in range(REFERENCE_PASSES):
        blurred = cv2.filter2D(picture, cv2.CV_32F, large)
        cv2.filter2D(np.maximum(blurred, 0), cv2.CV_32F, small)
    return 1e3 * (time.process_time() - start)


@cache
def _reference_data() -> tuple[Float32, Float32, Float32]:
    rng = np.random.default_rng(0)
    shapes = (REFERENCE_SIZE, REFERENCE_SIZE, 3), (7, 7), (3, 3)
    picture, large, small = (rng.normal(0, 1, shape).astype(np.float32) for shape in shapes)
    return picture, large, small


@checked
def latency_ratio(artifact: Artifact, seconds: float = 2.0) -> LatencyRatio:
    """Alternate single-threaded runs of the engine on the CPU with the reference workload.

    Raises:
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _median_ratio(_pairs(artifact, seconds))
    finally:
        cv2.setNumThreads(threads)


def _pairs(artifact: Artifact, seconds: float) -> npt.NDArray[np.float64]:
    """(rounds, 2) milliseconds of engine and reference."""
    pairs: list[tuple[float, float]] = []
    with closing(open_engine(artifact, threads=1)) as engine:
        slot = engine.open_slot()
        warm_up(slot, engine.spec)
        runs = time_runs(slot, engine.spec, clock=time.process_time)
        end = time.perf_counter() + seconds
        while len(pairs) < MIN_ROUNDS or time.perf_counter() < end:
            pairs.append((1e3 * next(runs), reference_workload_ms()))
    return np.array(pairs)


def _median_ratio(pairs: npt.NDArray[np.float64]) -> LatencyRatio:
    low, ratio, high = (float(v) for v in np.percentile(pairs[:, 0] / pairs[:, 1], (25, 50, 75)))
    engine_ms, reference_ms = (float(v) for v in np.median(pairs, 0))
    return LatencyRatio(ratio, (high - low) / 2 / ratio, engine_ms, reference_ms, len(pairs))
