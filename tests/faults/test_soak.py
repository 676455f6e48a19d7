"""A camera around the clock, in small: it dies, freezes and comes back, and the run neither ends nor grows.

60 seconds in continuous integration; ``make soak`` runs 30 minutes. ``EDGESEG_SOAK_S`` sets the time,
``EDGESEG_SOAK_SEED`` what happens when.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from fault_camera import FaultCamera, StartCamera
from linear_model import ArtifactMaker
from run_process import RunProcess
from test_whole_run import lines_of

SECONDS = float(os.environ.get("EDGESEG_SOAK_S", "60"))
SEED = int(os.environ.get("EDGESEG_SOAK_SEED", "1"))
_CALM_S = 6.0
_GROWTH_MB = 16.0


@dataclass
class Readings:
    """What the run holds, second by second, while its camera works."""

    megabytes: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def take(self, run: RunProcess) -> None:
        """Of the supervisor and its worker; the camera's process is a new one after each loss."""
        processes = [psutil.Process(run.pid), run.worker()]
        self.megabytes.append(sum(process.memory_info().rss for process in processes) / 1e6)
        self.descriptors.append(sum(process.num_fds() for process in processes))
        self.threads.append(sum(process.num_threads() for process in processes))

    def growth(self, values: list[float] | list[int]) -> float:
        """Median of the last third over that of the first after the start."""
        third = len(values) // 3
        return statistics.median(values[-third:]) - statistics.median(values[2 : third + 2])


class Trouble:
    """Does something to the camera, and undoes it."""

    def __init__(self, camera: FaultCamera, run: RunProcess) -> None:
        self._camera, self._run = camera, run
        self.done: list[str] = []

    def make(self, chance: random.Random) -> None:
        kind = chance.choice(("killed", "frozen", "decoder killed"))
        self.done.append(kind)
        {"killed": self._kill, "frozen": self._freeze, "decoder killed": self._kill_decoder}[kind]()
        self._run.wait_for("recovered", 45)

    def _kill(self) -> None:
        self._camera.kill()
        self._run.wait_for("lost", 10)
        self._camera.start_again()

    def _freeze(self) -> None:
        self._camera.freeze()
        self._run.wait_for("lost", 10)
        self._camera.thaw()

    def _kill_decoder(self) -> None:
        decoder = next(child for child in self._run.family() if "cameras.capture.main" in " ".join(child.cmdline()))
        decoder.kill()


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(SECONDS + 300)
def test_a_run_neither_ends_nor_grows(fault_camera: StartCamera, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    camera = fault_camera("ok", size="480x288", fps=15, lifetime=int(SECONDS) + 300)
    chance, readings = random.Random(SEED), Readings()
    flags = ("--save", tmp_path / "o.mkv", "--save-every", "10s", "--keep", "20MB", "--jsonl", tmp_path / "o.jsonl")
    words = ("run", tiny_artifact("openvino").path, "--source", camera.url, *flags)
    with RunProcess(*words, "--timeout", "2", "--status-every", "10") as run:
        run.wait_for("running")
        worker, trouble, due_s = run.worker().pid, Trouble(camera, run), time.monotonic() + SECONDS
        while time.monotonic() < due_s:
            calm_until_s = time.monotonic() + _CALM_S
            while time.monotonic() < calm_until_s:
                time.sleep(1)
                readings.take(run)
            trouble.make(chance)
        frames = len(lines_of(tmp_path / "o.jsonl"))
        time.sleep(2)
        assert len(lines_of(tmp_path / "o.jsonl")) > frames, "no more masks come"
        assert run.worker().pid == worker, "the worker was replaced"
        code, seconds = run.stop()
    assert (code, seconds < 3) == (0, True)
    _report(run, trouble, readings, tmp_path)
    assert readings.growth(readings.megabytes) < _GROWTH_MB
    assert readings.growth(readings.descriptors) <= 2
    assert readings.growth(readings.threads) <= 1
    assert sum(path.stat().st_size for path in tmp_path.glob("o-*.mkv")) <= 20e6
    assert not list(tmp_path.glob("*partial*"))


def _report(run: RunProcess, trouble: Trouble, readings: Readings, folder: Path) -> None:
    """For docs/reliability.md."""
    outages = [event["outage_s"] for event in run.events if event["event"] == "recovered"]
    ages = [float(str(line["latency_ms"])) for line in lines_of(folder / "o.jsonl")]
    third = len(ages) // 3
    facts = {
        "seconds": SECONDS,
        "masks": len(ages),
        "troubles": {kind: trouble.done.count(kind) for kind in sorted(set(trouble.done))},
        "outage_s": [round(statistics.median(outages), 2), round(max(outages), 2)],
        "age_p50_ms": [round(statistics.median(part), 1) for part in (ages[:third], ages[-third:])],
        "growth_mb": round(readings.growth(readings.megabytes), 2),
        "megabytes": round(statistics.median(readings.megabytes), 1),
        "descriptors": readings.growth(readings.descriptors),
        "threads": readings.growth(readings.threads),
    }
    print(json.dumps(facts))
