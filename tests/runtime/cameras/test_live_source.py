"""Live sources other than RTSP: rendered cells, web cameras, playlists, GStreamer, the screen, and several at once."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import marked_picture
import numpy as np
import psutil
import pytest
from http_server import WebCamera
from virtual_screen import virtual_screen

from edgeseg.errors import SourceError
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.cameras.live_source import StreamSource
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.sources.source import open_source

LIMITS = Limits(timeout_s=10, open_timeout_s=30)
FEW = 12
WHOLE = 20.0


def opened(text: str, events: list[Event] | None = None) -> StreamSource:
    heard: list[Event] = [] if events is None else events
    source = open_source(text, on_event=heard.append, limits=LIMITS)
    assert isinstance(source, StreamSource)
    return source


def frames_of(text: str, count: int = FEW) -> list[Frame]:
    """At most so many frames, within a minute."""
    with opened(text) as source:
        too_late = threading.Timer(60, source.stop)
        too_late.start()
        try:
            return [frame for _, frame in zip(range(count), source, strict=False)]
        finally:
            too_late.cancel()
            too_late.join()


def numbers_of(frames: list[Frame]) -> list[int]:
    """Drawn into the pictures, each of them whole."""
    marks = [marked_picture.read(frame.image) for frame in frames]
    assert max(mark.error for mark in marks) < WHOLE
    return [mark.number for mark in marks]


# Rendered cells


def test_rendered_cells_come_at_their_rate_and_size() -> None:
    frames = frames_of("test://cells?fps=20&size=320x240", 30)
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    assert all(frame.image.std() > 5 for frame in frames)
    times_s = [frame.pts_s for frame in frames]
    assert all(a is not None and b is not None and a < b for a, b in pairwise(times_s))
    seconds = frames[-1].time_s - frames[0].time_s
    shown = frames[-1].index - frames[0].index
    assert shown / seconds == pytest.approx(20, rel=0.15)


def test_rendered_cells_move_and_are_the_same_for_the_same_seed() -> None:
    first, second, other = (frames_of(f"test://cells?fps=5&size=96x64&frames=4&seed={seed}") for seed in (3, 3, 4))
    shown = {frame.index: frame.image for frame in first}
    assert all(np.array_equal(shown[frame.index], frame.image) for frame in second if frame.index in shown)
    assert not np.array_equal(first[-1].image, first[0].image)
    assert not np.array_equal(other[-1].image, first[-1].image)


def test_rendered_cells_may_have_an_end() -> None:
    events: list[Event] = []
    with opened("test://cells?fps=5&size=96x64&frames=5", events) as source:
        frames = list(source)
    assert 1 <= len(frames) <= 5
    assert frames[-1].index == 4
    assert [event.kind for event in events] == ["connected", "ended"]


# Several cameras


def test_several_cameras_are_told_apart_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.streams").write_text(
        "small test://cells?fps=10&size=96x64\nlarge test://cells?fps=10&size=160x120\n"
    )
    with opened(str(tmp_path / "a.streams")) as source:
        frames = [frame for _, frame in zip(range(30), source, strict=False)]
    sizes = {(frame.source, frame.image.shape) for frame in frames}
    assert sizes == {("small", (64, 96, 3)), ("large", (120, 160, 3))}
    counts = [sum(frame.source == name for frame in frames) for name in ("small", "large")]
    assert min(counts) >= 8


def test_of_several_cameras_one_that_ends_leaves_the_others(tmp_path: Path) -> None:
    lines = "short test://cells?fps=10&size=96x64&frames=3\nlong test://cells?fps=10&size=96x64&frames=40\n"
    (tmp_path / "a.streams").write_text(lines)
    with opened(str(tmp_path / "a.streams")) as source:
        frames = list(source)
    assert frames[-1].source == "long"
    assert frames[-1].index == 39
    assert max(frame.index for frame in frames if frame.source == "short") == 2


# Web cameras


def paint(number: int) -> np.ndarray:
    return marked_picture.draw(number, 240, 480)


def test_a_web_camera_gives_its_pictures_in_order_and_fresh() -> None:
    with WebCamera(paint) as camera:
        frames = frames_of(camera.url("cam.mjpg"), 40)
    numbers = numbers_of(frames)
    assert numbers == sorted(set(numbers))
    ages = [frame.time_s - marked_picture.read(frame.image).made_s for frame in frames]
    print(f"web camera: age p50 {np.percentile(ages, 50) * 1e3:.0f} ms, of the first {ages[0] * 1e3:.0f} ms")
    assert np.percentile(ages, 50) < 0.3
    assert ages[0] < 0.6  # nothing was collected while it was opened


def test_a_web_camera_that_closes_is_opened_again() -> None:
    events: list[Event] = []
    with WebCamera(paint, pictures=15) as camera, opened(camera.url("cam.mjpg"), events) as source:
        for frame in source:
            if frame.index > 20:
                break
    kinds = [event.kind for event in events]
    assert kinds[:4] == ["connected", "lost", "reconnecting", "recovered"]


def test_a_web_camera_gets_user_and_password() -> None:
    with WebCamera(paint, login="user:p@ss/word") as camera:
        assert frames_of(camera.url("cam.mjpg", "user:p@ss/word"), 2)
        with pytest.raises(SourceError, match=r"user or password is wrong or missing \(401\)") as raised:
            frames_of(camera.url("cam.mjpg", "user:hunter22"))
    assert "hunter22" not in str(raised.value)


def test_a_page_that_is_not_there_or_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!DOCTYPE html><html>" + "<p>camera</p>" * 500)
    with WebCamera(folder=tmp_path) as camera:
        with pytest.raises(SourceError, match=r"there is no stream of this name \(404\)"):
            frames_of(camera.url("nothing.mjpg"))
        with pytest.raises(SourceError, match="not a video"):
            frames_of(camera.url("page.html"))


# Files and playlists on a web server


def write_video(path: Path, count: int, fps: int = 20, **options: str) -> None:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=fps, options={"g": str(fps), "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 480, 240, "yuv420p"
        stream.max_b_frames = 2
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(paint(number), format="bgr24")))
        container.mux(stream.encode(None))


def test_a_file_on_a_web_server_is_played_at_its_pace_to_its_end(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 40)
    events: list[Event] = []
    with WebCamera(folder=tmp_path) as camera, opened(camera.url("clip.mp4"), events) as source:
        frames = list(source)
        dropped = source.counts.dropped
    numbers = numbers_of(frames)
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 39
    assert len(frames) + dropped == 40
    assert frames[-1].time_s - frames[0].time_s == pytest.approx((numbers[-1] - numbers[0]) / 20, abs=0.5)
    assert [event.kind for event in events] == ["connected", "ended"]


def test_a_playlist_is_played_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "live.m3u8", 60, hls_time="1", hls_list_size="0", hls_segment_filename=f"{tmp_path}/s%d.ts")
    with WebCamera(folder=tmp_path) as camera:
        frames = frames_of(camera.url("live.m3u8"), 30)
        assert [name for name in camera.asked if name.endswith(".ts")][:2] == ["s0.ts", "s1.ts"]
    numbers = numbers_of(frames)
    assert numbers == sorted(set(numbers))
    pace = (frames[-1].time_s - frames[0].time_s) / (numbers[-1] - numbers[0])
    assert pace == pytest.approx(1 / 20, rel=0.3)


@pytest.mark.parametrize("inner", ["file:{clip}", "{clip}", "concat:{clip}|{clip}", "subfile,,start,0,end,0,,:{clip}"])
def test_a_playlist_from_the_network_opens_no_file_of_this_machine(tmp_path: Path, inner: str) -> None:
    secret = tmp_path / "secret.ts"
    write_video(secret, 20)
    served = tmp_path / "served"
    served.mkdir()
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:1,", inner.format(clip=secret), "#EXT-X-ENDLIST", ""]
    (served / "live.m3u8").write_text("\n".join(lines))
    events: list[Event] = []
    with WebCamera(folder=served) as camera, opened(camera.url("live.m3u8"), events) as source:
        first = next((event for event in heard(events, 60)), None)
        assert source.cameras[0].connections == 0
    assert first is not None
    assert first.kind in ("lost", "failed")


@pytest.mark.parametrize("content", ["ffconcat version 1.0\nfile '{clip}'\n", "{clip}"])
def test_a_list_of_files_from_the_network_is_no_video(tmp_path: Path, content: str) -> None:
    write_video(tmp_path / "secret.mp4", 20)
    served = tmp_path / "served"
    served.mkdir()
    (served / "live.mp4").write_text(content.format(clip=tmp_path / "secret.mp4") * 3)
    with WebCamera(folder=served) as camera, pytest.raises(SourceError, match="not a video"):
        frames_of(camera.url("live.mp4"))


@pytest.mark.parametrize("away", ["file://{clip}", "{clip}", "concat:{clip}", "subfile,,start,0,end,0,,:{clip}"])
def test_a_redirection_to_a_file_of_this_machine_is_not_followed(tmp_path: Path, away: str) -> None:
    secret = tmp_path / "secret.mp4"
    write_video(secret, 20)
    events: list[Event] = []
    with WebCamera(away=away.format(clip=secret)) as camera, opened(camera.url("away"), events) as source:
        first = next(heard(events, 60))
        assert source.cameras[0].connections == 0
    assert first.kind in ("lost", "failed")


def test_a_redirection_to_another_address_is_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 20)
    with WebCamera(folder=tmp_path) as there, WebCamera(away=there.url("clip.mp4")) as camera:
        assert len(frames_of(camera.url("away"), 3)) >= 3


def test_a_file_that_is_cut_off_on_the_way_is_no_proper_end(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 60, movflags="faststart")
    events: list[Event] = []
    half = (tmp_path / "clip.mp4").stat().st_size // 2
    with WebCamera(folder=tmp_path, cut=half) as camera, opened(camera.url("clip.mp4"), events) as source:
        for event in heard(events, 60):
            if event.kind in ("lost", "ended", "failed"):
                break
        assert source.cameras[0].connections == 1
    assert event.kind == "lost"


def heard(events: list[Event], within_s: float) -> Iterator[Event]:
    """Events as they come."""
    deadline_s = time.monotonic() + within_s
    given = 0
    while time.monotonic() < deadline_s:
        while given < len(events):
            yield events[given]
            given += 1
        time.sleep(0.02)


# The system's GStreamer

gstreamer = pytest.mark.skipif(not shutil.which("gst-launch-1.0"), reason="no gst-launch-1.0 here")


@gstreamer
@pytest.mark.parametrize(("width", "height"), [(322, 242), (328, 240), (325, 241), (327, 242)])
def test_a_gstreamer_pipeline_is_a_source_of_any_size(width: int, height: int) -> None:
    frames = frames_of(
        f"gst://videotestsrc is-live=true pattern=smpte ! video/x-raw,width={width},height={height},framerate=20/1"
    )
    assert {frame.image.shape for frame in frames} == {(height, width, 3)}
    bars = frames[-1].image[:150, 23::46].astype(int)
    expected = [(1, 1, 1), (0, 1, 1), (1, 1, 0), (0, 1, 0), (1, 0, 1), (0, 0, 1), (1, 0, 0)]  # white to blue, as BGR
    assert (np.abs(bars - np.array(expected) * 255) < 25).all()


@gstreamer
def test_a_pipeline_that_ends_is_started_again() -> None:
    events: list[Event] = []
    text = "gst://videotestsrc is-live=true num-buffers=10 ! video/x-raw,width=64,height=48,framerate=20/1"
    with opened(text, events) as source:
        indices = [frame.index for _, frame in zip(range(15), source, strict=False)]
    assert indices == sorted(set(indices))
    assert [event.kind for event in events][:4] == ["connected", "lost", "reconnecting", "recovered"]


@gstreamer
def test_a_pipeline_that_cannot_run_is_said_with_what_to_try() -> None:
    events: list[Event] = []
    with opened("gst://nosuchelement ! identity", events):
        first = next(heard(events, 60))
    assert (first.kind, "try the pipeline with gst-launch-1.0" in first.message) == ("lost", True)


@gstreamer
def test_gstreamer_ends_with_the_source_even_when_it_hangs() -> None:
    before = launched()
    with opened("gst://videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=20/1") as source:
        next(iter(source))
        (pid,) = launched() - before
        psutil.Process(pid).suspend()
        capture = source.cameras[0].pid
        assert capture is not None
    deadline_s = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    assert not psutil.pid_exists(capture)


@gstreamer
def test_gstreamer_ends_with_a_capture_process_that_is_killed() -> None:
    before = launched()
    with opened("gst://videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=20/1") as source:
        frames = iter(source)
        next(frames)
        (pid,) = launched() - before
        capture = source.cameras[0].pid
        assert capture is not None
        psutil.Process(capture).kill()
        deadline_s = time.monotonic() + 10
        while psutil.pid_exists(pid) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert not psutil.pid_exists(pid)


def launched() -> set[int]:
    """GStreamer processes below this one."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if "edgeseg.runtime.cameras.capture.gst_launch" in child.cmdline()}


# The screen


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="no Xvfb here to be looked at")
@pytest.mark.skipif("x11grab" not in av.formats_available, reason="this PyAV cannot read the screen")
def test_the_screen_is_a_source() -> None:
    with virtual_screen() as display:
        frames = frames_of(f"screen://{display}?fps=20", 20)
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    seconds = frames[-1].time_s - frames[0].time_s
    assert (frames[-1].index - frames[0].index) / seconds == pytest.approx(20, rel=0.25)


def test_a_screen_that_is_not_there_is_waited_for_with_an_event() -> None:
    events: list[Event] = []
    with opened("screen://:77?fps=5", events):
        first = next(heard(events, 60))
    assert first.kind in ("lost", "failed")
