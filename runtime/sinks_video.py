"""Frames with their masks drawn in, as a video file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeseg.errors import OutputError
from edgeseg.extras import require
from edgeseg.files import output_error
from edgeseg.image import UInt8
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.runtime.painter import Painter
from edgeseg.spec import ModelSpec

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_TICKS = 60000
_TIME_BASE = Fraction(1, _TICKS)


def check_video_path(path: Path) -> None:
    """Raise OutputError for an ending that is no known container."""
    if path.suffix.lower() not in CONTAINERS:
        raise OutputError(f"A video is saved as {', '.join(CONTAINERS)}; found {path.name!r}. Rename it.")


class VideoSink:
    """H.264 (MPEG-4 where PyAV has no x264) in the time of the source.

    While it is written the file is called ``NAME.partial.mp4``; it is made of fragments that play
    whatever happens to this process, all but the last second. It gets its name when it is closed;
    after an error it keeps the partial one. All pictures are brought to the first one's size.
    """

    name = "video"
    newest_only = False

    def __init__(self, path: Path, spec: ModelSpec, fps: float | None) -> None:
        check_video_path(path)
        self._av = require("av", "all")
        self._path = path
        self._partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._painter = Painter(spec)
        self._rate = Fraction(min(max(fps or 25.0, 1.0), 240.0)).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None
        self._failed = False
        self._start_s = 0.0
        self._last_tick = -1

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        picture = self._painter.paint(frame, prediction)
        time_s = frame.time_s if frame.media_s is None else frame.media_s
        with self._translated():
            if self._container is None:
                self._open(picture, time_s)
            self._encode(picture, time_s)

    def close(self) -> None:
        if self._container is None:
            return
        container, self._container = self._container, None
        if self._failed:
            with contextlib.suppress(OSError, self._av.error.FFmpegError):
                container.close()
            return
        with self._translated():
            container.mux(self._stream.encode(None))
            container.close()
            self._partial.replace(self._path)

    def _open(self, picture: UInt8, time_s: float) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kind = CONTAINERS[self._path.suffix.lower()]
        codec = "libx264" if "libx264" in self._av.codecs_available else "mpeg4"
        self._container = self._av.open(str(self._partial), "w", format=kind, options=_mux_options(kind))
        self._stream = self._container.add_stream(codec, rate=self._rate, options=_codec_options(codec, self._rate))
        self._stream.height, self._stream.width = (side + side % 2 for side in picture.shape[:2])
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TIME_BASE
        self._start_s = time_s

    def _encode(self, picture: UInt8, time_s: float) -> None:
        size = (self._stream.width, self._stream.height)
        if picture.shape[1::-1] != size:
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        encoded = self._av.VideoFrame.from_ndarray(picture, format="bgr24")
        self._last_tick = max(self._last_tick + 1, round((time_s - self._start_s) * _TICKS))
        encoded.pts, encoded.time_base = self._last_tick, _TIME_BASE
        self._container.mux(self._stream.encode(encoded))

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """PyAV raises OSError for what the disk says and FFmpegError for the rest."""
        try:
            yield
        except OSError as error:
            self._failed = True
            kept = f" What was recorded until then is in {self._partial.name}." if self._last_tick >= 0 else ""
            raise OutputError(f"{output_error(self._path, error)}{kept}") from error
        except self._av.error.FFmpegError as error:
            self._failed = True
            raise OutputError(f"Cannot write {self._path}: {error.strerror}. Choose another size or ending.") from error


def _mux_options(kind: str) -> dict[str, str]:
    if kind == "matroska":
        return {"flush_packets": "1", "cluster_time_limit": "1000"}
    return {"flush_packets": "1", "movflags": "hybrid_fragmented+frag_keyframe+default_base_moof"}


def _codec_options(codec: str, rate: Fraction) -> dict[str, str]:
    """A key frame a second, so that no more than that is lost; fast, because the network needs the cores."""
    key_frames = {"g": str(max(1, round(rate)))}
    if codec == "libx264":
        return {**key_frames, "preset": "veryfast", "crf": "23", "tune": "zerolatency"}
    return {**key_frames, "q": "4"}
