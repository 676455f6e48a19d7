"""What a recording has lost when its process is killed with SIGKILL, in a real process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from edgeseg.runtime.recording.folder import partial_path

RECORDER = """
import sys, time
from pathlib import Path
import numpy as np
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.video import RecordingPolicy, VideoSink
from edgeseg.spec import ModelSpec

path, fps, every_s = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
spec = ModelSpec("multiclass", ("sky", "road", "tree"), 24, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
sink = VideoSink(path, spec, 25.0, RecordingPolicy(live=True, every_s=every_s or None))
noise = np.random.default_rng(0).integers(0, 256, (8, 120, 160, 3), dtype=np.uint8)
labels = Prediction(np.zeros((24, 32), np.uint8))
start = time.monotonic()
for number in range(100_000):
    time.sleep(max(0.0, start + number / fps - time.monotonic()))
    time_s = time.monotonic()
    print(time_s, flush=True)
    sink.write(Frame(noise[number % 8], number, time_s, "camera"), labels, 1.0)
"""


class Recorder:
    """A process that records at a rate and prints the time of each frame before it is given."""

    def __init__(self, path: Path, fps: float, every_s: float = 0) -> None:
        words = [sys.executable, "-c", RECORDER, str(path), str(fps), str(every_s)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def killed_after(self, seconds: float) -> list[float]:
        """Let it record for so long; the times of the frames that it was given."""
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        time.sleep(seconds)
        return [float(first), *self._killed()]

    def killed_when(self, condition: Callable[[], bool]) -> list[float]:
        """Let it record until something holds; the times of the frames that it was given."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it does not record"
            time.sleep(0.02)
        return self._killed()

    def _killed(self) -> list[float]:
        self._process.kill()
        rest, _ = self._process.communicate()
        return [float(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]


def pictures_s(path: Path) -> list[float]:
    """The time of each picture that can be decoded."""
    with av.open(str(path)) as container:
        return [float(picture.time) for picture in container.decode(video=0)]


@pytest.mark.parametrize("fps", [25, 4, 1.5])
@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov"])
def test_recording_survives_sigkill_all_but_a_second(tmp_path: Path, ending: str, fps: float) -> None:
    path = tmp_path / f"out.{ending}"
    given = Recorder(path, fps).killed_after(2.9)
    kept = pictures_s(partial_path(path))
    lost_s = given[-1] - (given[0] + kept[-1])
    print(
        json.dumps({"ending": ending, "fps": fps, "given": len(given), "kept": len(kept), "lost_s": round(lost_s, 3)})
    )
    assert lost_s <= 1.0
    assert kept == pytest.approx([time_s - given[0] for time_s in given[: len(kept)]], abs=1e-3)


def test_segments_survive_sigkill_and_the_next_run_names_and_follows_them(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"

    def being_written(number: str) -> list[Path]:
        return list(tmp_path.glob(f"out-00000{number}-*.partial.mkv"))

    given = Recorder(path, 25, every_s=1).killed_when(lambda: any(p.stat().st_size > 9999 for p in being_written("4")))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert [name[:10] for name in names] == ["out-000001", "out-000002", "out-000003", "out-000004"]
    assert [name.endswith(".partial.mkv") for name in names] == [False, False, False, True]
    kept = sum(len(pictures_s(tmp_path / name)) for name in names)
    assert given[-1] - given[kept - 1] <= 1.0

    Recorder(path, 25, every_s=1).killed_when(lambda: being_written("5") != [])
    after = sorted(p.name for p in tmp_path.iterdir())
    assert after[:4] == [name.replace(".partial", "") for name in names]
    assert len(pictures_s(tmp_path / after[3])) > 0
