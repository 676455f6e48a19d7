"""Several ways to run a network, measured in turns: latency, throughput, CPU time and energy a frame.

What a shared machine does to a measurement meets all of them alike, because none is measured long before another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.runtime.engines.engine import Engine, EngineOptions, Slot, open_with
from edgeseg.runtime.events.event import ignore_event
from edgeseg.runtime.measure.bench import MIN_RUNS, realistic_inputs, summarize_latency, time_runs, warm_up
from edgeseg.runtime.measure.energy import Meter
from edgeseg.runtime.system.machine import usable_cores

SLICES = 4
SETTLE_S = 0.1


@dataclass(frozen=True)
class Way:
    """An artifact, where it runs, and in which precision."""

    artifact: Artifact
    device: str = "CPU"
    precision: str | None = None

    def open(self, slots: int = 1, threads: int | None = None) -> Engine:
        """Open its engine; see :func:`edgeseg.runtime.engines.engine.open_engine`."""
        options = EngineOptions(self.device, slots, threads=threads, precision=self.precision, on_event=ignore_event)
        return open_with(self.artifact, options)


@dataclass(frozen=True)
class Pace:
    """How a way ran here.

    Attributes:
        p50_ms, p95_ms: latency, one request at a time on all cores.
        rounds: how often that was measured.
        fps: frames a second, with ``slots`` requests in flight.
        slots: of those that were tried, where ``fps`` was highest.
        core_ms: CPU time of this process a frame, at that throughput.
        joules: energy a frame then, of all that the meter measures; None where nothing does.
    """

    p50_ms: float
    p95_ms: float
    rounds: int
    fps: float
    slots: int
    core_ms: float
    joules: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass
class _Flow:
    """What was counted with so many slots."""

    slots: int
    frames: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    joules: float = 0.0

    @property
    def fps(self) -> float:
        return self.frames / self.seconds


def time_ways(
    ways: Sequence[Way], seconds_each: float = 2.0, slots: Sequence[int] = (), meter: Meter | None = None
) -> list[Pace]:
    """Measure ways in turns.

    Args:
        ways: all are open together.
        seconds_each: about how long each is measured for latency, and again for throughput.
        slots: how many requests in flight are tried; none: one, and one a core.
        meter: counts energy.

    Raises:
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    rounds = _time_rounds(ways, seconds_each)
    counts = slots or tuple(sorted({1, usable_cores()}))
    flows = [_time_flows(ways, seconds_each / len(counts), count, meter) for count in counts]
    best = [max(each, key=lambda flow: flow.fps) for each in zip(*flows, strict=True)]
    paces = []
    for times, flow in zip(rounds.T, best, strict=True):
        latency = summarize_latency(times)
        core_ms, joules = 1e3 * flow.cpu_s / flow.frames, flow.joules / flow.frames if meter else None
        paces.append(Pace(latency.p50_ms, latency.p95_ms, len(times), flow.fps, flow.slots, core_ms, joules))
    return paces


def _time_rounds(ways: Sequence[Way], seconds_each: float) -> Any:
    """(rounds, ways) seconds of single runs, those of a row one after the other."""
    with ExitStack() as stack:
        runs: list[Iterator[float]] = []
        for way in ways:
            engine = stack.enter_context(closing(way.open()))
            slot = engine.open_slot()
            warm_up(slot, engine.spec)
            runs.append(time_runs(slot, engine.spec))
        rounds: list[list[float]] = []
        end = time.perf_counter() + seconds_each * len(ways)
        while len(rounds) < MIN_RUNS or time.perf_counter() < end:
            rounds.append([next(run) for run in runs])
    return np.array(rounds)


def _time_flows(ways: Sequence[Way], seconds_each: float, count: int, meter: Meter | None) -> list[_Flow]:
    flows = [_Flow(count) for _ in ways]
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(count))
        opened = [_open_slots(stack.enter_context(closing(way.open(count))), count) for way in ways]
        for slots in opened:
            _count_frames(pool, slots, SETTLE_S)
        for _ in range(SLICES):
            for flow, slots in zip(flows, opened, strict=True):
                _add_slice(flow, pool, slots, seconds_each / SLICES, meter)
    return flows


def _open_slots(engine: Engine, count: int) -> list[Slot]:
    slots = [engine.open_slot() for _ in range(count)]
    for slot, picture in zip(slots, realistic_inputs(engine.spec, count), strict=True):
        slot.input[...] = picture
    return slots


def _add_slice(flow: _Flow, pool: ThreadPoolExecutor, slots: list[Slot], seconds: float, meter: Meter | None) -> None:
    energy, cpu, start = meter.read_joules() if meter else 0.0, time.process_time(), time.perf_counter()
    flow.frames += _count_frames(pool, slots, seconds)
    flow.seconds += time.perf_counter() - start
    flow.cpu_s += time.process_time() - cpu
    flow.joules += meter.read_joules() - energy if meter else 0.0


def _count_frames(pool: ThreadPoolExecutor, slots: list[Slot], seconds: float) -> int:
    """How many frames all slots gave together; what fails in one of them is raised here."""
    end = time.perf_counter() + seconds

    def run(slot: Slot) -> int:
        frames = 0
        while not frames or time.perf_counter() < end:
            slot.run()
            frames += 1
        return frames

    return sum(pool.map(run, slots))
