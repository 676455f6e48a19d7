"""How much a live camera adds to the bare engine, and how old a mask is when it is there.

    python benchmarks/live.py ARTIFACT --seconds 600

A camera process draws 1280x720 pictures with the time in them, encodes them (H.264) and sends them by RTSP over
loopback, on the same cores. They go through the pipeline of ``edgeseg run``: capture process, shared memory, resize,
engine. The bare engine is timed in turns with it, at the camera's pace and beside the same camera running unread. That
slows it: compare with `edgeseg bench ARTIFACT` too, which times the engine alone. What the pipeline adds lies between.

    added     from the arrival of a picture's last packet to its mask, minus the bare engine (p50 - p50, p99 - p99)
    age       from the drawing of a picture to its mask, by the time drawn into it: encoding and sending included
    slope     how fast the age grows over the run, milliseconds a minute
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "faults"))

import marked_picture
from fault_camera import FaultCamera

from edgeseg.artifact import Artifact
from edgeseg.runtime.engines.engine import Engine, open_engine
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.source import open_source
from edgeseg.runtime.summary import Summary

BARE_S = 5.0
AGE_SLACK_MS = 30.0


class Ages:
    """A sink that reads when each picture was drawn."""

    name = "ages"
    newest_only = False

    def __init__(self) -> None:
        self.at_s: list[float] = []
        self.age_ms: list[float] = []
        self.latency_ms: list[float] = []

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        masked_s = frame.time_s + latency_ms / 1e3
        self.at_s.append(masked_s)
        self.age_ms.append((masked_s - marked_picture.made_s(frame.image)) * 1e3)
        self.latency_ms.append(latency_ms)

    def close(self) -> None:
        pass


def main() -> int:
    args = _arguments()
    artifact = Artifact.open(args.artifact)
    lifetime_s = int(2 * args.seconds + 120)
    with (
        FaultCamera("ok", size=args.size, fps=args.fps, lifetime=lifetime_s) as camera,
        closing(open_engine(artifact, slots=1)) as engine,
    ):
        ages, bare_ms, summaries = Ages(), list[float](), list[Summary]()
        for _ in range(args.rounds):
            with _unread(camera):
                bare_ms += _bare_ms(engine, BARE_S, args.fps)
            summaries.append(_live(engine, camera, ages, args.seconds / args.rounds))
    result = _result(ages, bare_ms, summaries, args.fps)
    print(json.dumps(result, indent=2) if args.json else _as_text(result))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--seconds", type=float, default=600, help="of live running, over all rounds (default: 600)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of bare engine and camera (default: 3)")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@contextmanager
def _unread(camera: FaultCamera) -> Iterator[None]:
    """The camera sends, its capture process decodes, and nobody takes the pictures."""
    with open_source(camera.url) as source:
        taken = iter(source)
        next(taken)
        yield


def _bare_ms(engine: Engine, seconds: float, fps: int) -> list[float]:
    """The engine alone, at the camera's pace."""
    slot = engine.open_slot()
    slot.input[...] = np.random.default_rng(0).integers(0, 256, slot.input.shape, np.uint8)
    times, due_s = [], time.monotonic()
    end_s = due_s + seconds
    while due_s < end_s:
        due_s += 1 / fps
        time.sleep(max(0.0, due_s - time.monotonic()))
        start = time.perf_counter()
        slot.run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def _live(engine: Engine, camera: FaultCamera, ages: Ages, seconds: float) -> Summary:
    with open_source(camera.url) as source:
        pipeline = Pipeline(engine, source, slots=1)
        end_s = time.monotonic() + seconds

        def stop_in_time() -> None:
            if time.monotonic() > end_s:
                pipeline.stop()

        return pipeline.run([ages], stop_in_time)


def _result(ages: Ages, bare_ms: list[float], summaries: list[Summary], fps: int) -> dict[str, Any]:
    bare = np.percentile(bare_ms, (50, 99))
    latency = np.percentile(ages.latency_ms, (50, 99))
    age = np.percentile(ages.age_ms, (50, 99))
    minutes = (np.array(ages.at_s) - ages.at_s[0]) / 60
    return {
        "frames": len(ages.age_ms),
        "received": sum(summary.received for summary in summaries),
        "dropped": sum(summary.dropped for summary in summaries),
        "stale": sum(summary.stale for summary in summaries),
        "bare_ms": [round(float(value), 2) for value in bare],
        "latency_ms": [round(float(value), 2) for value in latency],
        "added_ms": [round(float(value), 2) for value in latency - bare],
        "age_ms": [round(float(value), 2) for value in age],
        "age_limit_ms": round(float(bare[1]) + 1000 / fps + AGE_SLACK_MS, 2),
        "slope_ms_per_minute": round(float(np.polyfit(minutes, ages.age_ms, 1)[0]), 3),
    }


def _as_text(result: dict[str, Any]) -> str:
    rows = [("bare engine", "bare_ms", ""), ("arrival to mask", "latency_ms", "")]
    rows += [("added", "added_ms", "limits 5 and 15"), ("age", "age_ms", f"limit of p99 {result['age_limit_ms']}")]
    lines = [f"{'':<18}{'p50 ms':>9}{'p99 ms':>9}"]
    lines += [f"{name:<18}{result[key][0]:>9.2f}{result[key][1]:>9.2f}  {note}" for name, key, note in rows]
    counts = ", ".join(f"{name} {result[name]}" for name in ("frames", "received", "dropped", "stale"))
    return "\n".join([*lines, f"slope of the age {result['slope_ms_per_minute']:+.3f} ms a minute", counts])


if __name__ == "__main__":
    sys.exit(main())
