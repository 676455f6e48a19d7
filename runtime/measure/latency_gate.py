"""Latency as a ratio to other work timed in the same moments.

Absolute milliseconds say as much about a process's neighbours as about a model. So runs on one thread take turns with
a fixed piece of work, or with another artifact, and both are timed by the CPU time of this process, which leaves out
the moments when others had the core. The clock on the wall is looked at as well, in those moments when the other work
was not disturbed: an engine that waits costs no CPU time.

What an engine allocates lies elsewhere each time it is opened, which moves its time by a percent or two for as long as
it is open. So there are several batches, each with engines opened anew, and how sure the ratio is comes from what the
batches differ by (Student's t of their logarithms).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.given import checked
from edgeseg.image import Float32
from edgeseg.metrics.bootstrap import t_quantile
from edgeseg.runtime.engines.engine import Slot, open_engine
from edgeseg.runtime.measure.bench import realistic_inputs
from edgeseg.spec import ModelSpec

REFERENCE_SIZE, REFERENCE_PASSES, MIN_ROUNDS = 256, 4, 30
BATCHES, MOST_BATCHES = 6, 18
UNTIMED, WARM_UP_S = 3, 0.5
SURE = 0.975
CALM = 1.1
"""Time on the clock over CPU time of other work, up to which a moment counts as undisturbed."""

Pair = tuple[float, float]
"""CPU time and time on the clock of one run, in seconds."""
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LatencyRatio:
    """An engine's cost on one thread in units of other work.

    Attributes:
        ratio: of CPU times, mean over the batches of each one's median.
        low, high: between them it lies in 95 of 100 such measurements.
        clock_ratio: the same of times on the clock, of undisturbed moments; None where there were too few of them.
        engine_ms, reference_ms: median CPU times, for people; they depend on the machine.
        rounds: how many pairs were timed.
    """

    ratio: float
    low: float
    high: float
    clock_ratio: float | None
    engine_ms: float
    reference_ms: float
    rounds: int

    @property
    def spread(self) -> float:
        """How far it may be wrong, as a share of it: 0.02 for 2 %."""
        return math.sqrt(self.high / self.low) - 1


def reference_workload_ms() -> float:
    """Time one pass of the reference work, 7x7 and 3x3 float convolutions: CPU time in milliseconds.

    On one thread when OpenCV is set to one, as :func:`latency_ratio` does.
    """
    start = time.process_time()
    _reference_work()
    return 1e3 * (time.process_time() - start)


def _reference_work() -> None:
    picture, large, small = _reference_data()
    for _ in range(REFERENCE_PASSES):
        blurred = cv2.filter2D(picture, cv2.CV_32F, large)
        cv2.filter2D(np.maximum(blurred, 0), cv2.CV_32F, small)


@cache
def _reference_data() -> tuple[Float32, Float32, Float32]:
    rng = np.random.default_rng(0)
    shapes = (REFERENCE_SIZE, REFERENCE_SIZE, 3), (7, 7), (3, 3)
    picture, large, small = (rng.normal(0, 1, shape).astype(np.float32) for shape in shapes)
    return picture, large, small


@checked
def latency_ratio(
    artifact: Artifact,
    seconds: float = 2.0,
    against: Artifact | None = None,
    settles: Callable[[LatencyRatio], bool] = lambda _: True,
) -> LatencyRatio:
    """Alternate single-threaded runs of an engine on the CPU with other work.

    Args:
        artifact: what is timed.
        seconds: how long six batches take, about.
        against: the other work: another artifact; None: the reference workload.
        settles: asked after six batches, and after each further one up to eighteen, whether that tells enough.

    Raises:
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    batches: list[Float64] = []
    with _one_opencv_thread():
        while len(batches) < MOST_BATCHES:
            batches.append(_time_batch(artifact, against, seconds / BATCHES, len(batches)))
            if len(batches) >= BATCHES and settles(found := summarize(batches)):
                return found
    return found


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _time_batch(artifact: Artifact, against: Artifact | None, seconds: float, number: int) -> Float64:
    """(rounds, 2, 2) seconds: of the engine and of the other work, each by CPU time and on the clock."""
    rounds: list[tuple[Pair, Pair]] = []
    is_second_first = number % 2 == 1
    with ExitStack() as stack:
        works = [_open_runs(artifact, stack), _reference_runs() if against is None else _open_runs(against, stack)]
        for work in works:
            _settle(work, WARM_UP_S if number == 0 else 0.0)
        end = time.perf_counter() + seconds
        while len(rounds) < MIN_ROUNDS // BATCHES or time.perf_counter() < end:
            first, second = (next(work) for work in (works[::-1] if is_second_first else works))
            rounds.append((second, first) if is_second_first else (first, second))
    return np.array(rounds)


def _open_runs(artifact: Artifact, stack: ExitStack) -> Iterator[Pair]:
    engine = stack.enter_context(closing(open_engine(artifact, threads=1)))
    return _time_both(engine.open_slot(), engine.spec)


def _settle(work: Iterator[Pair], seconds: float) -> None:
    """Run a few times; the first runs of an engine allocate, and those of a process wake its processor."""
    end = time.perf_counter() + seconds
    for _ in itertools.takewhile(lambda done: done < UNTIMED or time.perf_counter() < end, itertools.count()):
        next(work)


def _time_both(slot: Slot, spec: ModelSpec) -> Iterator[Pair]:
    for picture in itertools.cycle(realistic_inputs(spec)):
        slot.input[...] = picture
        cpu, clock = time.process_time(), time.perf_counter()
        slot.run()
        yield time.process_time() - cpu, time.perf_counter() - clock


def _reference_runs() -> Iterator[Pair]:
    while True:
        cpu, clock = time.process_time(), time.perf_counter()
        _reference_work()
        yield time.process_time() - cpu, time.perf_counter() - clock


def summarize(batches: Sequence[Float64]) -> LatencyRatio:
    """Find the ratio, and how sure it is, from batches of rounds.

    Args:
        batches: six or more, each (rounds, 2, 2) seconds: of the engine and of the other work, each by CPU time and on
            the clock.
    """
    logs = np.log([float(np.median(one[:, 0, 0] / one[:, 1, 0])) for one in batches])
    middle, half = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(len(logs))
    half *= t_quantile(SURE, len(logs) - 1)
    everything = np.concatenate(batches)
    engine_ms, reference_ms = (1e3 * float(v) for v in np.median(everything[:, :, 0], 0))
    low, ratio, high = (math.exp(middle + by) for by in (-half, 0, half))
    return LatencyRatio(ratio, low, high, _clock_ratio(everything), engine_ms, reference_ms, len(everything))


def _clock_ratio(rounds: Float64) -> float | None:
    calm = rounds[rounds[:, 1, 1] <= CALM * rounds[:, 1, 0]]
    if len(calm) < max(MIN_ROUNDS, len(rounds) // 2):
        return None
    return float(np.median(calm[:, 0, 1] / calm[:, 1, 1]))
