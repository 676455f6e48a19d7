"""One video file that plays at any moment of its making."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import OutputError
from edgeseg.files.atomic import output_error
from edgeseg.image import UInt8
from edgeseg.runtime.recording.append_only_file import NoRoom, RecordingFile

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_TICKS = 60000
_TIME_BASE = Fraction(1, _TICKS)
_KEY_S = 1.0
_FLUSH_S = 0.4
"""A picture reaches the disk with the first one that comes this much later: twice as long, at most, at any rate
that is quicker than this, and one picture later at any slower one."""


class VideoFile:
    """H.264 (MPEG-4 where PyAV has no x264), each picture at its time.

    The pictures go to the disk every 0.4 s, in clusters or fragments that play whatever happens to this process,
    with a key frame a second. All are brought to the size of the first.

    Args:
        partial: the file that is written; must not exist.
        target: the name to use in messages.
        rate: pictures a second, as far as known.
        endless: True to leave out an MP4's table of all pictures, which grows in memory for as long as this is open:
            by 166 MB a day at 25 a second, against 7 MB for the key frames of an MKV, which are kept.
        room: called with the size the file is about to have; may raise OSError.

    Raises:
        OutputError: from every method, when the disk is full or anything else prevents writing.
    """

    def __init__(
        self, partial: Path, target: Path, rate: Fraction, endless: bool, room: Callable[[int], object]
    ) -> None:
        self._av = require("av")
        self.partial = partial
        self._target = target
        self._rate = rate
        self._kind = CONTAINERS[partial.suffix.lower()]
        self._stream: Any = None
        self._start_s = self._key_s = 0.0
        self._last_tick = -1
        self._header_size = 0
        self._closed = False
        with self._translate_errors():
            self._file = RecordingFile(partial, room)
            options = _mux_options(self._kind, endless)
            self._container = self._av.open(self._file, "w", format=self._kind, options=options)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._file.size

    @property
    def seconds(self) -> float:
        """From the first picture to the last."""
        return max(0, self._last_tick) / _TICKS

    @property
    def holds_pictures(self) -> bool:
        """True once the first pictures are on the disk."""
        return self._file.size > self._header_size > 0

    def encode(self, picture: UInt8, time_s: float) -> None:
        """Add a BGR picture; times are seconds of any clock that does not go back."""
        if self._closed:
            raise OutputError(f"The video {self._target} is closed; open another one to record more.")
        with self._translate_errors():
            if self._stream is None:
                self._add_stream(picture, time_s)
            self._mux(self._encode(picture, time_s))
            self._header_size = self._header_size or self._file.size

    def finish(self) -> None:
        """Write the end; a second call does nothing. After an error :meth:`abandon` is still to be called."""
        if self._closed:
            return
        with self._translate_errors():
            self._mux(None)
            self._container.close()
            self._file.finish()
            self._check_disk()
        self._closed = True

    def abandon(self) -> None:
        """Close, without an end, with what plays."""
        self._closed = True
        self._file.abandon()
        with contextlib.suppress(self._av.error.FFmpegError):
            self._container.close()

    def _add_stream(self, picture: UInt8, time_s: float) -> None:
        codec = "libx264" if "libx264" in self._av.codecs_available else "mpeg4"
        self._stream = self._container.add_stream(codec, rate=self._rate, options=_codec_options(codec))
        self._stream.height, self._stream.width = (side + side % 2 for side in picture.shape[:2])
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TIME_BASE
        self._start_s, self._key_s = time_s, time_s - _KEY_S

    def _encode(self, picture: UInt8, time_s: float) -> Any:
        picture = _as_large(picture, self._stream.height, self._stream.width)
        frame = self._av.VideoFrame.from_ndarray(picture, format="bgr24")
        self._last_tick = max(self._last_tick + 1, round((time_s - self._start_s) * _TICKS))
        frame.pts, frame.time_base = self._last_tick, _TIME_BASE
        if time_s - self._key_s >= _KEY_S:
            frame.pict_type = self._av.video.frame.PictureType.I
            self._key_s = time_s
        return frame

    def _mux(self, frame: Any) -> None:
        """Encode ``frame``, or what the encoder holds for None."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(frame))
        self._check_disk()
        self._file.mark_whole()

    def _check_disk(self) -> None:
        if self._file.error is not None:
            raise self._file.error

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except self._av.error.FFmpegError as error:
            message = f"Cannot write {self._target}: {error.strerror}. Choose another size or ending."
            raise OutputError(message) from error
        except NoRoom as error:
            raise OutputError(str(error)) from error
        except OSError as error:
            raise output_error(self._target, error) from error


def _as_large(picture: UInt8, height: int, width: int) -> UInt8:
    """Bring a picture to the size of the video; the odd row or column that H.264 wants is that at the edge again."""
    below, right = height - picture.shape[0], width - picture.shape[1]
    if not below and not right:
        return picture
    if below in (0, 1) and right in (0, 1):
        return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _mux_options(kind: str, endless: bool) -> dict[str, str]:
    if kind == "matroska":
        return {"flush_packets": "1", "cluster_time_limit": f"{_FLUSH_S * 1e3:.0f}"}
    table = "skip_trailer+" if endless else "hybrid_fragmented+"
    return {
        "flush_packets": "1",
        "movflags": f"{table}frag_keyframe+default_base_moof",
        "frag_duration": f"{_FLUSH_S * 1e6:.0f}",
    }


def _codec_options(codec: str) -> dict[str, str]:
    """Fast, because the network needs the cores; key frames are asked for by time, whatever the rate."""
    if codec == "libx264":
        return {"g": "9999", "forced-idr": "1", "preset": "veryfast", "crf": "23", "tune": "zerolatency"}
    return {"g": "600", "q": "4"}
