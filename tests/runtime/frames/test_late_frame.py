"""A frame is converted when somebody looks at it, once, and gives the pixels that it always gave."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgeseg.runtime.frames.late_frame import LateFrame, luma_view
from edgeseg.runtime.sources.selected import SelectedSource
from edgeseg.runtime.sources.selection import Selection
from edgeseg.runtime.sources.source import open_source


def test_it_is_converted_once_whoever_asks_at_the_same_time() -> None:
    asked: list[int] = []
    gate = threading.Event()

    def convert() -> np.ndarray:  # type: ignore[type-arg]
        gate.wait(5)
        asked.append(1)
        return np.zeros((2, 3, 3), np.uint8)

    frame = LateFrame(convert, (2, 3), None, 0, 0.0, "clip.mp4", 0.0)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(frame.image)) for _ in range(4)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(5)
    assert asked == [1]
    assert all(one is found[0] for one in found)


def test_the_pixels_are_those_of_a_conversion_in_the_thread_that_decodes(clip: Path) -> None:
    with open_source(str(clip)) as source:
        frames = list(source)  # decoded whole before the first is looked at
    with av.open(str(clip)) as container:
        for frame, picture in zip(frames, container.decode(video=0), strict=True):
            assert frame.size == frame.image.shape[:2]
            assert np.array_equal(frame.image, picture.to_ndarray(format="bgr24"))
            plane = picture.planes[0]
            luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: picture.height, : picture.width]
            assert np.array_equal(frame.luma, luma)


def test_frames_that_are_passed_over_are_never_converted(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeseg.runtime.sources.video import VideoSource

    converted: list[int] = []
    convert = VideoSource._convert
    monkeypatch.setattr(VideoSource, "_convert", lambda self, one: (converted.append(1), convert(self, one))[1])
    with SelectedSource(open_source(str(clip)), Selection(every=10)) as source:
        frames = list(source)
        assert [frame.index for frame in frames] == [0, 10, 20, 30]
        assert not converted
        assert [frame.image.shape[:2] for frame in frames] == [frame.size for frame in frames]
        assert len(converted) == 4


def test_a_format_without_luma_is_looked_at_by_its_green() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 1] = 9
    assert luma_view(av.VideoFrame(6, 4, "yuv420p10le")) is None
    frame = LateFrame(lambda: image, (4, 6), luma_view(av.VideoFrame(6, 4, "gbrp")), 0, 0.0, "clip", 0.0)
    assert np.all(frame.luma == 9)


def test_a_turned_clip_has_the_size_that_it_is_shown_in(tmp_path: Path) -> None:
    path = tmp_path / "t.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        picture = av.VideoFrame.from_ndarray(cv2.randu(np.zeros((48, 64, 3), np.uint8), 0, 255), format="bgr24")
        out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    with open_source(str(path)) as source:
        frame = next(iter(source))
    assert frame.size == (48, 64) == frame.image.shape[:2]
