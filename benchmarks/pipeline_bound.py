"""The least that a frame can cost: each part of the way to its mask, alone, in time of all cores.

A pipeline reaches its bound when all its threads, copies and handing over cost nothing beside that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2

PARTS = ("decode", "convert", "resize", "network")


def measure_parts(artifact_path: Path, clip: Path, frames: int, precision: str) -> dict[str, float]:
    """Measure core-ms a frame of each of :data:`PARTS` over a clip, one after the other in this thread.

    The network runs in one slot on one thread, so that nothing of it spins for work.
    """
    from edgeseg.artifact import Artifact
    from edgeseg.image import fit
    from edgeseg.runtime.engines.engine import open_engine
    from edgeseg.runtime.sources.source import open_source

    cv2.setNumThreads(1)
    artifact = Artifact.open(artifact_path)
    spent = dict.fromkeys(PARTS, 0.0)
    with closing(open_engine(artifact, threads=1, precision=precision)) as engine, open_source(str(clip)) as source:
        slot, taken, done = engine.open_slot(), iter(source), 0
        for _ in range(5):
            slot.run()
        while done < frames:
            start = time.process_time()
            frame = next(taken, None)
            decoded = time.process_time()
            if frame is None:
                break
            image = frame.image
            converted = time.process_time()
            fit(image, artifact.spec, out=slot.input)
            resized = time.process_time()
            slot.run()
            ended = time.process_time()
            marks = (start, decoded, converted, resized, ended)
            for name, begin, end in zip(PARTS, marks, marks[1:], strict=False):
                spent[name] += end - begin
            done += 1
    return {name: 1e3 * seconds / max(1, done) for name, seconds in spent.items()}


@contextmanager
def keep_busy(count: int) -> Iterator[None]:
    """Start processes that compute for nothing, and end them with the block."""
    code = f"import os\nwhile os.getppid() == {os.getpid()}: pass"  # whatever ends this process ends them too
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def describe_bound(parts: dict[str, float], core_ms: float) -> str:
    """Word the parts, their sum, and how much of it the pipeline reaches."""
    bound = sum(parts.values())
    named = " + ".join(f"{name} {value:.2f}" for name, value in parts.items())
    return f"bound: {named} = {bound:.2f} core-ms a frame; edgeseg took {core_ms:.2f}: {bound / core_ms:.2f} of it"


if __name__ == "__main__":
    print(json.dumps(measure_parts(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
