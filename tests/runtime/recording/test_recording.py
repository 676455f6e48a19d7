from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from edgeseg.errors import OutputError, UserError
from edgeseg.runtime.events.event import Event, ignore_event
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.recording import folder as recording_shelf
from edgeseg.runtime.recording.recording import Recording
from edgeseg.runtime.sinks.video import RecordingPolicy, VideoSink
from edgeseg.runtime.sources.source import open_source
from edgeseg.spec import ModelSpec

NOISE = np.random.default_rng(0).integers(0, 256, (8, 96, 128, 3), dtype=np.uint8)
FPS = 10


class Camera:
    """Records noise at 10 frames a second of a clock of its own."""

    def __init__(self, path: Path, spec: ModelSpec, saving: RecordingPolicy, sources: Sequence[str] = ()) -> None:
        self.events: list[Event] = []
        self.time_s = 1000.0
        self.sink = VideoSink(path, spec, FPS, saving, self.events.append, sources)
        self._labels = Prediction(np.zeros((spec.height, spec.width), np.uint8))

    def frames(self, count: int, source: str = "camera", size: tuple[int, int] = (96, 128)) -> Iterator[int]:
        for number in range(count):
            image = np.ascontiguousarray(NOISE[number % 8, : size[0], : size[1]])
            self.sink.write(Frame(image, number, self.time_s, source), self._labels, 1.0)
            self.time_s += 1 / FPS
            yield number

    def record(self, count: int, **options: Any) -> None:
        for _ in self.frames(count, **options):
            pass

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def shape_and_count(path: Path) -> tuple[int, int, int]:
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    return pictures[0].height, pictures[0].width, len(pictures)


def test_segments_are_closed_by_the_frames_own_clock(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True, every_s=2))
    camera.record(50)
    assert [name.partition("Z")[2] for name in names(tmp_path)] == [".mkv", ".mkv", ".partial.mkv"]
    camera.sink.close()
    assert [name[:11] for name in names(tmp_path)] == ["out-000001-", "out-000002-", "out-000003-"]
    assert [shape_and_count(tmp_path / name)[2] for name in names(tmp_path)] == [20, 20, 10]
    assert camera.kinds() == ["recording", "recorded"] * 3
    assert camera.events[1].facts["seconds"] == pytest.approx(1.9)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_wall_clock_that_jumps_changes_neither_segments_nor_their_order(
    tmp_path: Path, tiny_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    now = datetime.datetime(2026, 11, 25, 22, 15, 30, tzinfo=datetime.timezone.utc)
    monkeypatch.setattr(recording_shelf, "utc_now", lambda: now)
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True, every_s=2))
    camera.record(15)
    now += datetime.timedelta(hours=hours)
    camera.record(15)
    camera.sink.close()
    assert names(tmp_path) == ["out-000001-20261125T221530Z.mkv", f"out-000002-20261125T{22 + hours}1530Z.mkv"]
    assert [shape_and_count(tmp_path / name)[2] for name in names(tmp_path)] == [20, 10]


def test_counting_goes_on_from_the_highest_number_whatever_its_date(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    (tmp_path / "out-000041-20991231T235959Z.mkv").write_bytes(b"from a clock that was wrong")
    (tmp_path / "other-000099-20261125T000000Z.mkv").write_bytes(b"another camera's")
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True, every_s=2))
    camera.record(5)
    camera.sink.close()
    assert any(name.startswith("out-000042-") for name in names(tmp_path))


def test_the_oldest_segments_go_before_there_are_too_many_bytes(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    others = ["out.mkv", "out-1.mkv", "out-notes.mkv", "out2-000001-20261125T000000Z.mkv", "out-000001.mkv",
              "out-000001-20261125T000000Z.mp4", "out-000001-20261125T000000Z.mkv.txt"]  # fmt: skip
    for name in others:
        (tmp_path / name).write_bytes(bytes(1000))
    keep_bytes, largest = 500_000, 0
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True, every_s=1, keep_bytes=keep_bytes))
    for _ in camera.frames(150):
        largest = max(largest, sum(p.stat().st_size for p in tmp_path.iterdir() if p.name not in others))
    camera.sink.close()
    assert keep_bytes / 2 < largest <= keep_bytes
    assert set(others) <= set(names(tmp_path))
    deleted = [Path(str(event.facts["path"])).name for event in camera.events if event.kind == "deleted"]
    assert [name[4:10] for name in deleted] == [f"{number:06d}" for number in range(1, len(deleted) + 1)]


def test_a_segment_larger_than_all_that_is_kept_is_said_once(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True, every_s=10, keep_bytes=50_000))
    camera.record(40)
    camera.sink.close()
    said = [event for event in camera.events if event.reason == "too-large"]
    assert [str(event) for event in said] == [
        "camera: A single segment is larger than the 50 KB that are kept. Make them shorter."
    ]
    assert shape_and_count(tmp_path / names(tmp_path)[0])[2] == 40


def test_one_file_of_a_camera_stops_at_the_limit_and_goes_on_when_there_is_room(
    tmp_path: Path, tiny_spec: ModelSpec
) -> None:
    others = {"out-notes.mkv": 10**6, "out-000001-20261125T000000Z.mkv": 10**6, "out-1.mkv": 50_000}
    for name, size in others.items():
        (tmp_path / name).write_bytes(bytes(size))
    saving = RecordingPolicy(live=True, keep_bytes=300_000, retry_s=1)
    camera, largest = Camera(tmp_path / "out.mkv", tiny_spec, saving), 0
    for _ in camera.frames(100):
        recorded = (path for path in tmp_path.iterdir() if path.name not in others)
        largest = max(largest, sum(path.stat().st_size for path in recorded))
    assert 150_000 < largest <= 250_000, "what an earlier run left counts"
    assert names(tmp_path) == sorted([*others, "out.mkv"])
    assert shape_and_count(tmp_path / "out.mkv")[2] > 5
    assert [event.reason for event in camera.events if event.kind == "recording-stopped"] == ["limit"]
    stopped = next(str(event) for event in camera.events if event.kind == "recording-stopped")
    assert stopped.startswith(
        f"camera: {tmp_path}/out.mkv, with what was recorded under its name before, has the 300 KB"
    )

    with (tmp_path / "out-1.mkv").open("r+b") as earlier:  # little room is no reason to begin, for a second's worth
        earlier.truncate(300_000 - (tmp_path / "out.mkv").stat().st_size - 29_000)
    camera.record(30)
    assert names(tmp_path) == sorted([*others, "out.mkv"])
    (tmp_path / "out-1.mkv").write_bytes(bytes(others["out-1.mkv"]))

    (tmp_path / "out.mkv").rename(tmp_path / "yesterday.mkv")
    camera.record(15)
    camera.sink.close()
    assert camera.kinds()[-2:] == ["recording-resumed", "recorded"]
    assert shape_and_count(tmp_path / "out.mkv")[2] > 5
    assert {name: (tmp_path / name).stat().st_size for name in others} == others


def test_a_finished_recording_of_a_camera_is_never_replaced(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    (tmp_path / "out.mkv").write_bytes(b"yesterday")
    (tmp_path / "out-1.mkv").write_bytes(b"this morning")
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True))
    camera.record(5)
    assert names(tmp_path) == ["out-1.mkv", "out-2.partial.mkv", "out.mkv"]
    camera.sink.close()
    assert names(tmp_path) == ["out-1.mkv", "out-2.mkv", "out.mkv"]
    assert (tmp_path / "out.mkv").read_bytes() == b"yesterday"


def test_a_file_that_comes_into_being_meanwhile_is_not_replaced(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True))
    camera.record(5)
    (tmp_path / "out.mkv").write_bytes(b"somebody else's")
    camera.sink.close()
    assert names(tmp_path) == ["out-1.mkv", "out.mkv"]
    assert str(camera.events[-1].facts["path"]).endswith("out-1.mkv")


@pytest.mark.parametrize("live", [True, False])
def test_what_a_killed_run_left_gets_a_name_instead_of_being_replaced(
    tmp_path: Path, tiny_spec: ModelSpec, live: bool
) -> None:
    left = Camera(tmp_path / "other.mkv", tiny_spec, RecordingPolicy())
    left.record(7)
    left.sink.close()
    (tmp_path / "other.mkv").rename(tmp_path / "out.partial.mkv")
    (tmp_path / "out-1.mkv").write_bytes(b"older")
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=live))
    camera.record(3)
    camera.sink.close()
    assert names(tmp_path) == ["out-1.mkv", "out-2.mkv", "out.mkv"]
    assert [shape_and_count(tmp_path / name)[2] for name in ("out-2.mkv", "out.mkv")] == [7, 3]
    assert camera.kinds() == ["recording-salvaged", *(["recording", "recorded"] if live else [])]


def test_a_leftover_without_pictures_is_removed(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    (tmp_path / "out.partial.mkv").write_bytes(b"")
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True))
    camera.record(3)
    camera.sink.close()
    assert names(tmp_path) == ["out.mkv"]
    assert camera.kinds() == ["recording", "recorded"]


def test_segments_that_killed_runs_left_keep_their_names_and_places(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    path = tmp_path / "my cam (1)+.mkv"
    camera = Camera(path, tiny_spec, RecordingPolicy(live=True, every_s=1))
    camera.record(15)
    camera.sink.close()
    for whole in list(tmp_path.iterdir()):
        whole.rename(tmp_path / f"{whole.stem}.partial.mkv")
    after = Camera(path, tiny_spec, RecordingPolicy(live=True, every_s=1))
    after.record(3)
    after.sink.close()
    assert [name[:19] for name in names(tmp_path)] == [f"my cam (1)+-{number:06d}-" for number in (1, 2, 3)]
    assert [shape_and_count(tmp_path / name)[2] for name in names(tmp_path)] == [10, 5, 3]
    assert after.kinds() == ["recording-salvaged"] * 2 + ["recording", "recorded"]


@pytest.mark.parametrize("every_s", [None, 60])
def test_two_runs_of_one_name_leave_each_others_files_alone(
    tmp_path: Path, tiny_spec: ModelSpec, every_s: float | None
) -> None:
    first, second = (
        Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True, every_s=every_s)) for _ in range(2)
    )
    first.record(8)
    second.record(6)
    first.record(1)
    first.sink.close()
    second.sink.close()
    assert sorted(shape_and_count(path)[2] for path in tmp_path.iterdir()) == [6, 9]
    assert "recording-salvaged" not in second.kinds()


def test_a_file_that_another_run_is_writing_is_refused(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    first, second = (Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy()) for _ in range(2))
    first.record(5)
    with pytest.raises(OutputError, match=r"out.partial.mkv is being written by another run. Choose"):
        second.record(1)
    second.sink.close()
    first.sink.close()
    assert shape_and_count(tmp_path / "out.mkv")[2] == 5


@pytest.mark.parametrize("every_s", [None, 60])
def test_a_camera_that_changes_its_size_gets_a_new_file(
    tmp_path: Path, tiny_spec: ModelSpec, every_s: float | None
) -> None:
    camera = Camera(tmp_path / "out.mp4", tiny_spec, RecordingPolicy(live=True, every_s=every_s))
    camera.record(5)
    camera.record(4, size=(48, 100))
    camera.sink.close()
    assert sorted(shape_and_count(path) for path in tmp_path.iterdir()) == [(48, 100, 4), (96, 128, 5)]
    assert [(event.kind, event.reason) for event in camera.events][2] == ("recording", "resized")
    assert "The picture is 100x48 now." in camera.events[2].message


def test_each_camera_has_a_recording_of_its_own(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    sources = ["door", "rtsp://***@10.0.0.7:554/live?channel=2"]
    camera = Camera(
        tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True, every_s=60, keep_bytes=1_000_000), sources
    )
    for _ in range(3):
        camera.record(2, source=sources[0])
        camera.record(1, source=sources[1], size=(48, 64))
    camera.sink.close()
    assert [name.partition("-000001-")[0] for name in names(tmp_path)] == [
        "out-10.0.0.7-554-live-channel-2",
        "out-door",
    ]
    assert [shape_and_count(tmp_path / name) for name in names(tmp_path)] == [(48, 64, 3), (96, 128, 6)]
    assert {event.source for event in camera.events} == set(sources)


def test_one_camera_needs_no_name(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True), ["camera"])
    camera.record(2)
    camera.sink.close()
    assert names(tmp_path) == ["out.mkv"]


def test_a_camera_that_fails_to_record_does_not_end_the_run(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    folder = tmp_path / "locked"
    folder.write_text("a file where a folder is needed")
    camera = Camera(folder / "out.mkv", tiny_spec, RecordingPolicy(live=True, retry_s=1))
    camera.record(15)
    folder.unlink()
    camera.record(30)
    camera.sink.close()
    assert camera.kinds() == ["recording-stopped", "recording-resumed", "recorded"]
    assert camera.events[0].reason == "not-writable"
    assert 1.5 <= float(str(camera.events[1].facts["outage_s"])) <= 3
    assert names(folder) == ["out.mkv"]


@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov"])
def test_a_recording_in_full_hd_is_closed_within_a_second(tmp_path: Path, tiny_spec: ModelSpec, ending: str) -> None:
    sink = VideoSink(tmp_path / f"out.{ending}", tiny_spec, 25.0, RecordingPolicy(live=True, every_s=600))
    image = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    labels = Prediction(np.zeros((tiny_spec.height, tiny_spec.width), np.uint8))
    for number in range(12):
        sink.write(Frame(image, number, number / 25, "camera"), labels, 1.0)
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 1
    sink.close()


def test_key_frames_come_by_time_at_any_rate(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    camera = Camera(tmp_path / "out.mkv", tiny_spec, RecordingPolicy(live=True))
    camera.record(31)
    camera.sink.close()
    with av.open(str(tmp_path / "out.mkv")) as container:
        keys = [float(picture.time) for picture in container.decode(video=0) if picture.key_frame]
    assert all(later - earlier <= 1.001 for earlier, later in itertools.pairwise(keys))
    assert keys[0] == 0
    assert keys[-1] >= 2


def test_what_cannot_be_meant_is_refused(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    with pytest.raises(UserError, match="Give `save_every` too"):
        VideoSink(tmp_path / "out.mkv", tiny_spec, None, RecordingPolicy(keep_bytes=1))
    with pytest.raises(UserError, match=r"at least 1s; found 0.1s"):
        VideoSink(tmp_path / "out.mkv", tiny_spec, None, RecordingPolicy(every_s=0.1))


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
def test_a_clip_of_wide_pixels_is_recorded_as_players_show_it(data_dir: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out{ending}"
    with open_source(str(data_dir / "field/14-video/anamorphic.mp4")) as source:
        first, recording = None, Recording(out, source.fps, RecordingPolicy(), ignore_event, "clip")
        for frame in source:
            first = frame.image.copy() if first is None else first
            recording.write(frame.image, frame.media_s or 0.0)
        recording.close()
    assert first is not None
    assert first.shape == (240, 465, 3)
    with open_source(str(out)) as played:
        shown = next(iter(played)).image
    assert shown.shape == (240, 466, 3)  # H.264 takes even sizes
    assert cv2.absdiff(shown[:, :465], first).mean() < 4
