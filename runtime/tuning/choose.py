"""The choice of slots, streams and threads for an artifact on this device: measured once, then remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.errors import EnvironmentFault, OutputError
from edgeseg.files.cache_folder import cache_folder, private_folder, read_private, write_private
from edgeseg.given import checked
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.engines.precision import choose_precision, model_digest
from edgeseg.runtime.events.event import Event, ignore_event
from edgeseg.runtime.measure.fingerprint import this_device
from edgeseg.runtime.system.cache_contents import SLOTS
from edgeseg.runtime.system.core_plan import CorePlan, share_cores
from edgeseg.runtime.system.machine import load_average, usable_cores
from edgeseg.runtime.tuning.slots import LATENCY, Slots, find_goal
from edgeseg.runtime.tuning.trial import TRIAL_S, Way, find_best, list_ways, try_ways

BUSY = 0.5
"""Other processes that wanted a core while it was measured, as a share of the cores."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it was chosen from.

    Attributes:
        goal: ``latency`` or ``throughput``.
        way: the best.
        rows: of every way its frames a second and the median of a frame in milliseconds.
        load: load average of the machine before it was measured; None where the system does not tell.
        kept: whether it was measured earlier.
        seconds: how long the measurement took, opening included; 0 where nothing was measured.
    """

    goal: str
    way: Way
    rows: Sequence[tuple[Way, float, float]]
    load: float | None = None
    kept: bool = False
    seconds: float = 0.0

    def __str__(self) -> str:
        how = "measured before on this device" if self.kept else f"measured in {self.seconds:.1f} s"
        if self.is_disturbed:
            how += f" beside other work (load average {self.load:.1f}), so again when that is gone"
        best, *others = sorted(self.rows, key=lambda row: row[0] != self.way)
        said = f"{self.goal}, {how}: {_describe(self.goal, best)}"
        return f"{said} ({', '.join(_describe(self.goal, row) for row in others)})" if others else said

    @property
    def is_disturbed(self) -> bool:
        """Whether other programs took part of the cores while it was measured."""
        return self.load is not None and self.load > BUSY * usable_cores()


@checked
def plan_slots(
    artifact: Artifact, slots: Slots, options: EngineOptions, live: bool = False, cameras: int = 1
) -> tuple[CorePlan, EngineOptions]:
    """Share the cores out for a run: as told where ``slots`` is a number, else by :func:`choose_slots`.

    Args:
        artifact: what runs.
        slots: a number, ``auto``, ``latency`` or ``throughput``.
        options: where, and in how many threads; ``on_event`` is told of what was measured.
        live: whether the source is a camera.
        cameras: how many.

    Returns:
        The plan, and the options to open the engine with.
    """
    if (goal := find_goal(slots, live, cameras)) is None:
        plan = replace(share_cores(int(slots), options.streams, options.threads), opencv=usable_cores())
        return plan, replace(options, slots=plan.slots)
    choice = choose_slots(artifact, goal, options)
    way = choice.way
    plan = share_cores(way.slots, way.streams, way.threads)
    options.on_event(Event("slots", artifact.path.name, f"{choice}.", goal, {**asdict(way), "kept": choice.kept}))
    return plan, replace(options, slots=way.slots, streams=way.streams, threads=way.threads)


@checked
def choose_slots(artifact: Artifact, goal: str, options: EngineOptions, seconds: float = TRIAL_S) -> Choice:
    """Measure what is best for a goal, or remember it.

    It is kept for this model, this device (processor, cores, clock, versions of the engine), the precision and the
    threads that are asked for; when one of these changes it is measured again.

    Args:
        artifact: what runs.
        goal: ``latency`` or ``throughput``.
        options: where, in which precision, and in how many threads where they are given.
        seconds: about how long to measure.

    Raises:
        ArtifactError, MissingExtra, EngineError: see :func:`edgeseg.runtime.engines.engine.open_engine`.
    """
    precision = choose_precision(artifact, options.device, options.precision, ignore_event)
    options = replace(options, precision=precision)
    path = _path(artifact, goal, options)
    load = load_average()
    if path is not None and (known := _read(path, goal)) is not None and not _is_over(known, load):
        return known
    ways, start = list_ways(goal, options.device, usable_cores(), options.threads), time.perf_counter()
    tried = try_ways(ways, artifact, options, seconds)
    rows = [(one.way, one.fps, one.p50_ms) for one in tried]
    choice = Choice(goal, find_best(tried, goal).way, rows, load, seconds=time.perf_counter() - start)
    if path is not None:
        _keep(path, choice)
    return choice


def _is_over(known: Choice, load: float | None) -> bool:
    """Whether what disturbed a measurement is there no more."""
    return known.is_disturbed and load is not None and known.load is not None and load < known.load / 2


def _describe(goal: str, row: tuple[Way, float, float]) -> str:
    way, fps, p50_ms = row
    figure = f"{p50_ms:.1f} ms a frame" if goal == LATENCY else f"{fps:.1f} frames a second"
    return f"{figure} with {way}"


def _path(artifact: Artifact, goal: str, options: EngineOptions) -> Path | None:
    """Where the choice is kept, in a folder a model; None where nothing can be."""
    asked = [this_device(artifact, usable_cores()).to_dict(), goal, options.device, options.precision, options.threads]
    root = cache_folder(SLOTS)
    folder = root / model_digest(artifact)
    with contextlib.suppress(EnvironmentFault, OSError):
        private_folder(root)
        private_folder(folder)
        return folder / f"{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]}.json"
    return None


def _read(path: Path, goal: str) -> Choice | None:
    """None where nothing is kept, or what is kept makes no sense: then it is measured again."""
    try:
        values: Mapping[str, Any] = json.loads(read_private(path))
        rows = [(_way(row), float(row["fps"]), float(row["p50_ms"])) for row in values["rows"]]
        way, load = _way(values["way"]), values["load"]
        load = None if load is None else float(load)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return Choice(goal, way, rows, load, kept=True) if way in [row[0] for row in rows] else None


def _way(values: Mapping[str, Any]) -> Way:
    slots, streams, threads = (values[name] for name in ("slots", "streams", "threads"))
    if not all(isinstance(value, int) and 1 <= value <= 1024 for value in (slots, streams, threads)):
        raise ValueError("no way to run anything")
    return Way(slots, streams, threads)


def _keep(path: Path, choice: Choice) -> None:
    """A disk that is full or read-only costs the next start two seconds."""
    rows = [{**asdict(way), "fps": fps, "p50_ms": p50_ms} for way, fps, p50_ms in choice.rows]
    with contextlib.suppress(OutputError):
        write_private(path, json.dumps({"way": asdict(choice.way), "load": choice.load, "rows": rows}).encode())
