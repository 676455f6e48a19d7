"""The bare engine, measured: latency, throughput and CPU cost, without sources and sinks.

Every figure is of runs that happened here and now. What a shared machine does to them is measured
too and said with them (:attr:`Latency.noise`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import Engine, EngineOptions, Slot, open_engine, open_with
from edgeseg.runtime.engines.placement import open_told, placement_of
from edgeseg.runtime.measure.energy import NOTHING, Meter, find_meter
from edgeseg.runtime.system.core_plan import share_cores
from edgeseg.runtime.system.machine import load_average, this_cpu
from edgeseg.spec import ModelSpec

WARM_UP_S, WARM_UP_RUNS, SETTLED = 3.0, 6, 0.05
MIN_RUNS, NOISY = 20, 0.25
PICTURES = 8


@dataclass(frozen=True)
class Latency:
    """How long single runs took, one at a time, in milliseconds."""

    runs: int
    min_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @property
    def noise(self) -> float:
        """How far p95 lies over p50, as a share of p50: 0.1 is quiet, over 0.25 is noisy."""
        return self.p95_ms / self.p50_ms - 1


@dataclass(frozen=True)
class BenchResult:
    """What the engine of one artifact did.

    Attributes:
        artifact, device, cpu, cores: what ran where.
        precision: that its layers in float were computed in, as the engine tells it.
        slots: requests in flight for the throughput.
        latency: one request at a time, engine opened for latency.
        warm_up_runs, settled: runs before measuring, and whether two batches of six agreed within 5 %.
        throughput_fps: frames a second with all slots busy.
        core_ms: CPU time of this process a frame, at that throughput.
        load_before: load average of the machine before the measurement.
        streams, threads: of the engine, for the throughput.
        joules: energy a frame at that throughput, of all that the meter measures; None where nothing does.
        energy_statement: what measured it, or why nothing did.
    """

    artifact: str
    device: str
    cpu: str
    cores: int
    slots: int
    latency: Latency
    warm_up_runs: int
    settled: bool
    throughput_fps: float
    core_ms: float
    load_before: float | None
    precision: str = "f32"
    streams: int = 1
    threads: int = 1
    joules: float | None = None
    energy_statement: str = NOTHING

    @property
    def plan(self) -> str:
        """Slots, streams and threads of the throughput, in words."""
        counts = {"slot": self.slots, "stream": self.streams, "thread": self.threads}
        return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "noise": self.latency.noise, "noise_statement": self.noise_statement}

    @property
    def noise_statement(self) -> str:
        """One sentence about how far the figures can be trusted."""
        sentence = f"p95 is {100 * self.latency.noise:.0f} % over p50"
        if not self.settled:
            sentence += f", and {self.warm_up_runs} warm-up runs did not settle within {100 * SETTLED:.0f} %"
        busy = self.load_before is not None and self.load_before > 0.5
        if busy:
            sentence += f"; load average before the run was {self.load_before:.1f} on {self.cores} cores"
        noisy = self.latency.noise > NOISY or not self.settled
        return f"noisy: {sentence}. Repeat on a quiet machine." if noisy else f"quiet: {sentence}."


@checked
def bench_engine(
    artifact: Artifact,
    seconds: float = 5.0,
    slots: int = 2,
    device: str = "CPU",
    precision: str | None = None,
    latency_in: EngineOptions | None = None,
    throughput_in: EngineOptions | None = None,
) -> BenchResult:
    """Measure latency for half of ``seconds`` and throughput for the other half.

    Standard error is told when the masks were not proven on this device, or in this ``precision`` (see
    :class:`~edgeseg.runtime.engines.engine.EngineOptions`).

    Args:
        artifact: what runs.
        seconds: for both together.
        slots: requests in flight for the throughput.
        device, precision: see :class:`~edgeseg.runtime.engines.engine.EngineOptions`.
        latency_in, throughput_in: all options of the engine for each half, in the place of the three before.

    Raises:
        UserError: ``seconds`` is not positive, or an option is out of range.
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    if not 0 < seconds <= 3600:
        raise UserError(f"`seconds` must lie between 0 and 3600; found {seconds:g}.")
    load, cpu = load_average(), this_cpu()
    options = latency_in or EngineOptions(device, precision=precision)
    many = throughput_in or EngineOptions(device, slots, precision=precision)
    with closing(open_told(artifact, options)) as engine:
        computed_in = placement_of(engine, options).precision
        slot = engine.open_slot()
        warm_up_runs, settled = warm_up(slot, engine.spec)
        latency = summarize_latency(time_runs(slot, engine.spec, seconds / 2))
    with closing(open_with(artifact, many)) as engine, _open_meter() as (meter, statement):
        flow = throughput(engine, seconds / 2, many.slots, meter)
    cores = share_cores(many.slots, many.streams, many.threads)
    name = artifact.path.name
    figures = latency, warm_up_runs, settled, flow.fps, flow.core_ms, load
    shared = computed_in, cores.streams, cores.threads, flow.joules, statement
    return BenchResult(name, options.device, cpu.name, cpu.cores, many.slots, *figures, *shared)


@contextmanager
def _open_meter() -> Iterator[tuple[Meter | None, str]]:
    meter, statement = find_meter()
    try:
        yield meter, statement
    finally:
        if meter is not None:
            meter.close()


@checked
def bench_in_turns(
    artifacts: Sequence[Artifact], seconds: float = 5.0, device: str = "CPU", precision: str | None = None
) -> list[Latency]:
    """Measure latencies of several artifacts, one run of each in turn, so that noise meets all of them alike.

    Args: see :func:`rounds_in_turns`.
    """
    return [summarize_latency(times) for times in rounds_in_turns(artifacts, seconds, device, precision).T]


@checked
def rounds_in_turns(
    artifacts: Sequence[Artifact], seconds: float = 5.0, device: str = "CPU", precision: str | None = None
) -> npt.NDArray[np.float64]:
    """Time single runs in seconds, (rounds, artifacts): the values of a row were taken one after the other.

    Args:
        artifacts: all stay open together.
        seconds: for all of them together; there are at least 20 rounds.
        device: the engines' name of a device.
        precision: see :class:`~edgeseg.runtime.engines.engine.EngineOptions`.
    """
    with ExitStack() as stack:
        opened = (open_engine(artifact, device, precision=precision) for artifact in artifacts)
        engines = [stack.enter_context(closing(engine)) for engine in opened]
        slots = [engine.open_slot() for engine in engines]
        for slot, engine in zip(slots, engines, strict=True):
            warm_up(slot, engine.spec)
        runs = [time_runs(slot, engine.spec) for slot, engine in zip(slots, engines, strict=True)]
        rounds: list[list[float]] = []
        end = time.perf_counter() + seconds
        while len(rounds) < MIN_RUNS or time.perf_counter() < end:
            rounds.append([next(run) for run in runs])
    return np.array(rounds)


@checked
def warm_up(slot: Slot, spec: ModelSpec) -> tuple[int, bool]:
    """Run until the medians of two batches of six agree within 5 %; returns (runs, whether they did)."""
    end = time.perf_counter() + WARM_UP_S
    runs = time_runs(slot, spec)
    medians = [_median(runs), _median(runs)]
    while not _agree(*medians[-2:]) and time.perf_counter() < end:
        medians.append(_median(runs))
    return len(medians) * WARM_UP_RUNS, _agree(*medians[-2:])


def _agree(before: float, now: float) -> bool:
    return abs(now - before) <= SETTLED * before


def _median(runs: Iterator[float]) -> float:
    return float(np.median([next(runs) for _ in range(WARM_UP_RUNS)]))


@checked
def time_runs(
    slot: Slot, spec: ModelSpec, seconds: float | None = None, clock: Callable[[], float] = time.perf_counter
) -> Iterator[float]:
    """Yield seconds by ``clock`` of one run after the other, for ``seconds`` and at least 20 runs; None: without end.

    The input changes from run to run; writing it is not timed.
    """
    pictures = realistic_inputs(spec)
    end = None if seconds is None else time.perf_counter() + seconds
    count = 0
    while end is None or count < MIN_RUNS or time.perf_counter() < end:
        slot.input[...] = pictures[count % len(pictures)]
        start = clock()
        slot.run()
        yield clock() - start
        count += 1


def summarize_latency(seconds: Iterable[float]) -> Latency:
    """Summarise the distribution of run times given in seconds."""
    times = 1e3 * np.fromiter(seconds, np.float64)
    p50, p90, p95, p99 = (float(v) for v in np.percentile(times, (50, 90, 95, 99)))
    return Latency(len(times), float(times.min()), p50, p90, p95, p99, float(times.max()))


class Flow(NamedTuple):
    """Frames a second, CPU time of this process a frame in milliseconds, and joules a frame where they are counted."""

    fps: float
    core_ms: float
    joules: float | None = None


def throughput(engine: Engine, seconds: float, slots: int, meter: Meter | None = None) -> Flow:
    """Measure frames a second with ``slots`` requests in flight, and what each costs.

    A failure in any slot is raised here.
    """
    opened = [engine.open_slot() for _ in range(slots)]
    for slot, picture in zip(opened, realistic_inputs(engine.spec, slots), strict=True):
        slot.input[...] = picture
    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(lambda slot: _frames_until(slot, time.perf_counter() + 0.2), opened))
        energy, cpu, start = meter.read_joules() if meter else 0.0, time.process_time(), time.perf_counter()
        frames = sum(pool.map(lambda slot: _frames_until(slot, start + seconds), opened))
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
        joules = (meter.read_joules() - energy) / frames if meter else None
    return Flow(frames / elapsed, 1e3 * cpu / frames, joules)


def _frames_until(slot: Slot, end: float) -> int:
    frames = 0
    while not frames or time.perf_counter() < end:
        slot.run()
        frames += 1
    return frames


@checked
def realistic_inputs(spec: ModelSpec, count: int = PICTURES) -> list[UInt8]:
    """Draw seeded pictures with the areas, edges and fine noise of photographs, at the network's size."""
    rng = np.random.default_rng(0)
    shape = (spec.height, spec.width, spec.channels)
    return [_picture(rng, shape) for _ in range(count)]


def _picture(rng: np.random.Generator, shape: tuple[int, int, int]) -> UInt8:
    height, width, channels = shape
    coarse = rng.integers(0, 256, (6, 8, channels), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(shape).astype(np.float32)
    for _ in range(12):
        top, left = rng.integers(0, height), rng.integers(0, width)
        picture[top : top + height // 4, left : left + width // 6] = rng.integers(0, 256, channels)
    return np.asarray(np.clip(picture + rng.normal(0, 6, shape), 0, 255), np.uint8)
