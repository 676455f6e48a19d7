"""Ways to share an engine among slots, measured in turns for about two seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.image import UInt8, fit
from edgeseg.runtime.engines.engine import Engine, EngineOptions, Slot, open_with
from edgeseg.runtime.engines.precision import device_kind
from edgeseg.runtime.events.event import ignore_event
from edgeseg.runtime.measure.bench import realistic_inputs
from edgeseg.runtime.system.core_plan import opencv_in, share_cores
from edgeseg.runtime.tuning.slots import LATENCY
from edgeseg.spec import ModelSpec

TRIAL_S = 2.0
ROUNDS = 3
EQUAL = 0.03
"""Ways within 3 % of the best are equal; of these the one with the fewest slots and threads is taken."""
PICTURE = (720, 1280)
_WARM_UP_RUNS = 2


@dataclass(frozen=True, order=True)
class Way:
    """So many slots on so many streams of an engine with so many threads.

    Attributes:
        slots: requests in flight.
        streams: of the engine.
        threads: of all streams together.
    """

    slots: int
    streams: int
    threads: int

    def __str__(self) -> str:
        counts = {"slot": self.slots, "stream": self.streams, "thread": self.threads}
        return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())


@dataclass
class Tried:
    """What was counted of a way.

    Attributes:
        way: which.
        frames, seconds: how many frames it segmented, picture of a camera to mask, in how long.
        times_s: of single frames.
    """

    way: Way
    frames: int = 0
    seconds: float = 0.0
    times_s: list[float] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    @property
    def p50_ms(self) -> float:
        """Median time of a frame, in milliseconds."""
        return 1e3 * float(np.median(self.times_s))


def list_ways(goal: str, device: str, cores: int, threads: int | None = None) -> list[Way]:
    """List what is worth trying.

    Args:
        goal: one of :data:`~edgeseg.runtime.tuning.slots.GOALS`.
        device: the engine's own name of a device.
        cores: that this process may use.
        threads: of the engine, where they are given.

    >>> list_ways("latency", "CPU", 2)
    [Way(slots=1, streams=1, threads=1), Way(slots=1, streams=1, threads=2)]
    >>> [(way.slots, way.streams) for way in list_ways("throughput", "CPU", 2)]
    [(1, 1), (2, 1), (2, 2), (3, 2)]
    >>> list_ways("throughput", "CPU", 2, threads=1)
    [Way(slots=1, streams=1, threads=1), Way(slots=2, streams=1, threads=1)]
    """
    most = threads or cores
    if goal == LATENCY:
        counts = {most} if threads or device_kind(device) != "CPU" else {1, (cores + 1) // 2, cores}
        return [Way(1, 1, count) for count in sorted(counts)]
    if device_kind(device) != "CPU":  # the device shares itself; more requests only hide the way to it
        return [Way(slots, slots, most) for slots in (1, 2, 4)]
    streams = sorted({1, max(1, most // 4), max(1, most // 2), most})
    return [Way(slots, count, most) for count in streams for slots in (count, count + 1)]


def try_ways(ways: Sequence[Way], artifact: Artifact, options: EngineOptions, seconds: float = TRIAL_S) -> list[Tried]:
    """Measure ways in turns, so that what else the machine does meets all of them alike.

    Raises:
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    found = [Tried(way) for way in ways]
    with ExitStack() as stack:
        engines: dict[tuple[int, int], Engine] = {}
        slots: dict[Way, list[Slot]] = {}
        for way in ways:
            key = way.streams, way.threads
            if key not in engines:
                engines[key] = stack.enter_context(closing(open_with(artifact, options_for(way, options))))
            slots[way] = [engines[key].open_slot() for _ in range(way.slots)]
        picture = _draw_picture(artifact.spec)
        for tried in found:
            _run_slots(Tried(tried.way), slots[tried.way], picture, artifact.spec, 0.0, _WARM_UP_RUNS)
        end = time.perf_counter() + seconds
        for number in range(ROUNDS):
            for tried in found:
                if number == 0 or time.perf_counter() < end:
                    _run_slots(tried, slots[tried.way], picture, artifact.spec, seconds / ROUNDS / len(ways))
    return found


def options_for(way: Way, options: EngineOptions) -> EngineOptions:
    """Give the options that open an engine for a way, silently."""
    return replace(options, slots=way.slots, streams=way.streams, threads=way.threads, on_event=ignore_event)


def find_best(tried: Sequence[Tried], goal: str) -> Tried:
    """Find the best for a goal; of those that are equal the least.

    >>> few, many = Tried(Way(1, 1, 2), 99, 1.0, [0.01]), Tried(Way(2, 2, 2), 100, 1.0, [0.02])
    >>> find_best([many, few], "throughput").way.slots
    1
    """
    if goal == LATENCY:
        limit = min(one.p50_ms for one in tried) * (1 + EQUAL)
        return min((one for one in tried if one.p50_ms <= limit), key=lambda one: one.way)
    least = max(one.fps for one in tried) * (1 - EQUAL)
    return min((one for one in tried if one.fps >= least), key=lambda one: one.way)


def _draw_picture(spec: ModelSpec) -> UInt8:
    drawn = np.asarray(cv2.resize(realistic_inputs(spec, 1)[0], PICTURE[::-1]), np.uint8)
    return drawn if drawn.ndim == 3 and drawn.shape[2] == 3 else np.ascontiguousarray(np.dstack([drawn] * 3)[..., :3])


def _run_slots(
    tried: Tried, slots: list[Slot], picture: UInt8, spec: ModelSpec, seconds: float, least: int = 1
) -> None:
    """Let each slot resize and infer, in a thread of its own, until the time is over; what fails is raised here."""
    start = time.perf_counter()

    def run(slot: Slot) -> list[float]:
        times: list[float] = []
        while len(times) < least or time.perf_counter() < start + seconds:
            began = time.perf_counter()
            fit(picture, spec, out=slot.input)
            slot.run()
            times.append(time.perf_counter() - began)
        return times

    with opencv_in(share_cores(len(slots)).opencv), ThreadPoolExecutor(len(slots)) as pool:
        found = list(pool.map(run, slots))
    tried.seconds += time.perf_counter() - start
    tried.frames += sum(map(len, found))
    tried.times_s += [one for times in found for one in times]
