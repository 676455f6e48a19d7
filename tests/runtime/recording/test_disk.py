"""A disk that fills while a camera is recorded: a real file system of a few hundred kilobytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

RECORDER = """
import json, sys
from pathlib import Path
import numpy as np
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.video import RecordingPolicy, VideoSink
from edgeseg.spec import ModelSpec

path, options = Path(sys.argv[1]), json.loads(sys.argv[2])
ballast = path.parent / "ballast"
ballast.write_bytes(bytes(options.pop("ballast")))
frees_at, frames = options.pop("frees_at"), options.pop("frames")
said = lambda event: print(json.dumps([number, event.kind, event.reason, str(event), dict(event.facts)]))
spec = ModelSpec("multiclass", ("sky", "road", "tree"), 24, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
sink = VideoSink(path, spec, 25.0, RecordingPolicy(**options), said)
noise = np.random.default_rng(0).integers(0, 256, (8, 120, 160, 3), dtype=np.uint8)
labels = Prediction(np.zeros((24, 32), np.uint8))
for number in range(frames):
    if number == frees_at:
        ballast.unlink()
    sink.write(Frame(noise[number % 8], number, 100 + number / 25, "camera"), labels, 1.0)
sink.close()
print(json.dumps([number, "end", "", "", {}]))
"""


def recorded(size: str, kept: Path, name: str, **options: Any) -> list[list[Any]]:
    """Record into a file system of ``size``; the events. What is left there is copied to ``kept``."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("no user namespaces here, so no small disk can be made")
    script = f'mount -t tmpfs -o size={size} none /mnt && "$@"; code=$?; cp -r /mnt/. {kept}; exit $code'
    words = [sys.executable, "-c", RECORDER, f"/mnt/{name}", json.dumps(options)]
    answer = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.stderr == ""
    return [json.loads(line) for line in answer.stdout.splitlines()]


def frame_count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
@pytest.mark.parametrize("every_s", [None, 60.0])
def test_a_camera_goes_on_when_the_disk_fills_and_records_again_when_there_is_room(
    tmp_path: Path, ending: str, every_s: float | None
) -> None:
    events = recorded(
        "1m",
        tmp_path,
        f"out.{ending}",
        ballast=600_000,
        frees_at=150,
        frames=220,
        live=True,
        retry_s=2,
        every_s=every_s,
    )
    assert [event[1] for event in events] == [
        "recording", "recorded", "recording-stopped", "recording-resumed", "recorded", "end",
    ]  # fmt: skip
    first, stopped, resumed, last = events[1], events[2], events[3], events[4]
    assert stopped[2] == "disk-full"
    assert "The disk is full" in stopped[3]
    assert "tried again every 2 s" in stopped[3]
    assert 150 <= resumed[0] <= 150 + 2 * 25 + 12
    kept = frame_count(tmp_path / Path(first[4]["path"]).name)
    assert 0 < stopped[0] - kept <= 25
    assert frame_count(tmp_path / Path(last[4]["path"]).name) >= 220 - resumed[0]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_that_stays_full_is_said_once_and_leaves_no_stubs(tmp_path: Path) -> None:
    events = recorded(
        "300k", tmp_path, "out.mkv", ballast=290_000, frees_at=-1, frames=200, live=True, retry_s=1, every_s=60
    )
    assert [event[1] for event in events] == ["recording", "recording-stopped", "end"]
    assert [path.name for path in tmp_path.iterdir()] == ["ballast"]


def test_old_segments_are_not_deleted_beyond_what_keep_says(tmp_path: Path) -> None:
    events = recorded(
        "1m", tmp_path, "out.mkv", ballast=600_000, frees_at=-1, frames=200, live=True, retry_s=1, every_s=1,
        keep_bytes=900_000,
    )  # fmt: skip
    assert "deleted" not in [event[1] for event in events]
    assert "recording-stopped" in [event[1] for event in events]
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("out-")]) >= 2
