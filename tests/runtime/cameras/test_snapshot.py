"""A snapshot address as a camera: polled, the same picture once, lost and found again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from http_server import WebCamera
from snapshot_camera import SnapshotCamera, jpeg

from edgeseg.errors import SourceError, UserError
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.cameras.live_source import StreamSource
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.sources.settings import SourceSettings
from edgeseg.runtime.sources.source import open_source

LIMITS = Limits(timeout_s=1.5, open_timeout_s=20)
PASSWORD = "s3cret-word"


class Watched:
    """A source that is read in a thread, for as long as the test."""

    def __init__(self, url: str, fps: float = 20, limits: Limits = LIMITS) -> None:
        self.events: list[Event] = []
        self.frames: list[Frame] = []
        self.error: SourceError | None = None
        source = open_source(url, on_event=self.events.append, limits=limits, fps=fps)
        assert isinstance(source, StreamSource)
        self.source = source
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.source.stop()
        self._thread.join(10)

    def _read(self) -> None:
        try:
            with self.source:
                self.frames.extend(self.source)
        except SourceError as error:
            self.error = error

    def frames_come(self, count: int) -> bool:
        return wait_for(lambda: self._count() >= count)

    def _count(self) -> int:
        return len(self.frames)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def wait_for(true: Callable[[], bool], seconds: float = 20) -> bool:
    due_s = time.monotonic() + seconds
    while not true() and time.monotonic() < due_s:
        time.sleep(0.02)
    return true()


@pytest.mark.parametrize("etag", [True, False])
@pytest.mark.parametrize("path", ["snapshot.jpg", "cgi-bin/snap.cgi?channel=1"])
def test_a_picture_is_a_frame_once(path: str, etag: bool) -> None:
    with SnapshotCamera(f"admin:{PASSWORD}", "MD5") as camera:
        camera.etag = etag
        with Watched(camera.url(path, f"admin:{PASSWORD}")) as watched:
            assert watched.frames_come(1)
            asked = len(camera.asked)
            assert wait_for(lambda: len(camera.asked) > asked + 5)
            assert wait_for(lambda: watched.source.waiting)
            camera.body = jpeg(200)
            assert watched.frames_come(2)
            assert wait_for(lambda: len(camera.asked) > asked + 12)
        assert [round(float(frame.image.mean())) for frame in watched.frames] == [100, 200]
        assert watched.kinds() == ["connected"]
        assert sum("If-None-Match" in headers for headers in camera.asked) > 5 or not etag
        assert camera.connections <= 3  # FFmpeg, which looks first where the name does not tell, has two
        assert PASSWORD not in str(watched.events)


def test_an_unchanged_picture_is_no_loss_and_silence_is() -> None:
    with SnapshotCamera() as camera, Watched(camera.url()) as watched:
        assert watched.frames_come(1)
        time.sleep(LIMITS.timeout_s * 1.5)
        assert watched.kinds() == ["connected"]
        camera.status = 503
        assert wait_for(lambda: "lost" in watched.kinds())
        assert "(503)" in next(event.message for event in watched.events if event.kind == "lost")
        camera.status, camera.body = 200, jpeg(30)
        assert wait_for(lambda: "recovered" in watched.kinds())
        assert watched.error is None


def test_one_bad_answer_is_no_loss() -> None:
    with SnapshotCamera() as camera, Watched(camera.url()) as watched:
        assert watched.frames_come(1)
        camera.status = 500
        asked = len(camera.asked)
        assert wait_for(lambda: len(camera.asked) > asked)
        camera.status, camera.body = 200, jpeg(30)
        assert watched.frames_come(2)
        assert watched.kinds() == ["connected"]


def test_a_damaged_picture_is_counted_and_no_frame() -> None:
    with SnapshotCamera() as camera, Watched(camera.url()) as watched:
        assert wait_for(lambda: len(watched.frames) == 1)
        camera.body = jpeg(30)[:-200]
        assert wait_for(lambda: watched.source.skipped > 0)
        camera.body = jpeg(200)
        assert wait_for(lambda: len(watched.frames) == 2)
    assert [round(float(frame.image.mean())) for frame in watched.frames] == [100, 200]


def test_png_and_sizes_that_change_are_read() -> None:
    with SnapshotCamera() as camera, Watched(camera.url("latest")) as watched:
        camera.headers["Content-Type"] = "image/png"
        camera.body = cv2.imencode(".png", np.full((20, 30, 4), 7, np.uint8))[1].tobytes()
        assert wait_for(lambda: any(frame.image.shape == (20, 30, 3) for frame in watched.frames))
        camera.headers["Content-Type"], camera.body = "application/octet-stream", jpeg(200)
        assert wait_for(lambda: bool(watched.frames) and watched.frames[-1].image.shape == (48, 64, 3))


@pytest.mark.parametrize(
    ("login", "kind", "status", "sentence"),
    [("admin:wrong", "image/jpeg", 200, "401"), ("", "text/html", 200, "text/html"), ("", "image/jpeg", 404, "404")],
)
def test_what_waiting_does_not_cure_fails_at_once(login: str, kind: str, status: int, sentence: str) -> None:
    with SnapshotCamera(f"admin:{PASSWORD}" if login else "", "SHA-256") as camera:
        camera.headers["Content-Type"], camera.status = kind, status
        with Watched(camera.url(login=login)) as watched:
            assert wait_for(lambda: watched.error is not None)
        assert sentence in str(watched.error)
        assert watched.kinds()[-1] == "failed"


def test_a_stream_behind_the_name_of_a_picture_is_read_as_a_stream() -> None:
    shades = [np.full((48, 64, 3), 10 * n, np.uint8) for n in range(20)]
    with WebCamera(lambda number: shades[number % 20]) as web, Watched(web.url("cam.mjpg")) as watched:
        assert watched.frames_come(10)
    with SnapshotCamera() as camera:
        camera.headers["Content-Type"] = "multipart/x-mixed-replace; boundary=b"
        part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg(9))
        camera.body = (part + jpeg(9) + b"\r\n") * 3
        with Watched(camera.url()) as watched:
            assert watched.frames_come(3)


@pytest.mark.parametrize("digest", ["", "MD5"])
def test_a_stream_of_jpegs_with_a_login_is_a_source(digest: str) -> None:
    with SnapshotCamera(f"admin:{PASSWORD}", digest) as camera:
        camera.headers["Content-Type"] = "multipart/x-mixed-replace; boundary=b"
        part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg(9))
        camera.body = (part + jpeg(9) + b"\r\n") * 3
        with Watched(camera.url("video.cgi", f"admin:{PASSWORD}")) as watched:
            assert watched.frames_come(3)
        assert PASSWORD not in str(watched.events)
        with Watched(camera.url("video.cgi", "admin:wrong-word")) as watched:
            assert wait_for(lambda: watched.error is not None)
        assert "401" in str(watched.error)
        assert "wrong-word" not in str(watched.error)


@pytest.mark.parametrize(("body", "kind"), [(b"", "image/jpeg"), (jpeg(9)[:-200], "image/jpeg"), (b"<html>", "")])
def test_what_is_never_a_picture_is_lost_and_waited_for(body: bytes, kind: str) -> None:
    with SnapshotCamera() as camera:
        camera.body, camera.headers = body, {"Content-Type": kind} if kind else {}
        with Watched(camera.url(), limits=Limits(timeout_s=0.6, open_timeout_s=1)) as watched:
            assert wait_for(lambda: bool(watched.events))
            assert (watched.events[0].kind, watched.events[0].reason) == ("lost", "damaged")
            assert "no whole picture" in watched.events[0].message
            camera.body, camera.headers = jpeg(9), {"Content-Type": "image/jpeg"}
            assert watched.frames_come(1)
        assert watched.error is None
        assert [frame.image.shape for frame in watched.frames][:1] == [(48, 64, 3)]


def test_a_server_that_drips_is_lost_in_time() -> None:
    with SnapshotCamera() as camera:
        camera.drip_s = 0.05
        began_s = time.monotonic()
        with Watched(camera.url(), limits=Limits(timeout_s=0.6, open_timeout_s=1)) as watched:
            assert wait_for(lambda: bool(watched.events))
            assert watched.events[0].kind != "connected"
            camera.drip_s = 0
            assert watched.frames_come(1)
        assert time.monotonic() - began_s < 60


def test_a_rate_of_ones_own_is_for_what_has_none() -> None:
    assert SourceSettings("http://cam/snapshot.jpg", fps=0.2).fps == 0.2
    for source in ("rtsp://user:pw@cam/1", "street.mp4", "test://cells"):
        with pytest.raises(UserError, match="max_fps") as caught:
            SourceSettings(source, fps=2)
        assert "pw@" not in str(caught.value)
    with pytest.raises(UserError, match="fps"):
        SourceSettings("photos/*.jpg", fps=0)
