"""A video file as a source, through PyAV."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import SourceError
from edgeseg.files.input_file import open_regular
from edgeseg.image import UInt8
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.late_frame import LateFrame, luma_view
from edgeseg.runtime.frames.square_pixels import square_bgr, square_size
from edgeseg.runtime.sources.gif import with_times
from edgeseg.runtime.sources.video_boxes import ends_inside_a_box
from edgeseg.runtime.system.core_plan import share_cores

_T = TypeVar("_T")
_HEAD_BYTES = 16
_MOST_GIF_BYTES = 1 << 28
_CLOSE_TIMEOUT_S = 1.0
# Plain containers only: a playlist (HLS, ffconcat) named .mp4 could make us read other files or the network.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,ivf,yuv4mpegpipe,h264,hevc,m4v,mjpeg,mpjpeg,gif",
}
_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
# A header counts empty chunks (AVI), what edit lists leave out (MP4) or average rates (Matroska) as frames. So a clip
# is cut only where frames *and* time are missing.
_MISSING_FRAMES, _MISSING_INTERVALS, _MISSING_S = 2, 1.5, 0.1
# Where only the duration of pictures and sound together is known, there is room for the end of a sound track.
_MISSING_ALONE_S, _MISSING_ALONE_SHARE = 0.5, 0.01


class VideoSource:
    """Every frame of a video file, in order; damaged ones are counted in ``skipped`` and left out.

    A file that stops before its announced end, in frames and in time, is read to where it goes, reported, and marked in
    ``ended_early``. Rotation flags of phones are applied, and pixels that are not square are made so.

    Raises:
        SourceError: not a video in a plain container.
    """

    live = False
    names = ()

    def __init__(self, path: Path, report: Callable[[str], object]) -> None:
        self._path = path
        self._report = report
        self._av = require("av")
        self._container, self._stream = _open_container(self._av, path)
        context = self._stream.codec_context
        self._stream.thread_type = "AUTO"
        # Decoding threads compete with inference for the cores: one is enough on two cores (1600 fps at 432p).
        self._stream.thread_count = share_cores(slots=1).decoder
        self._aspect = self._stream.sample_aspect_ratio
        self.size: tuple[int, int] | None = square_size(context.height, context.width, self._aspect)
        self.fps: float | None = float(self._stream.average_rate) if self._stream.average_rate else None
        self.total: int | None = _frame_count(self._container, self._stream, self.fps)
        self.skipped = 0
        self._closed, self._reading = False, threading.Lock()
        self._converters = threading.local()
        self.waiting = self.ended_early = False
        self._own_duration_s = _duration_s(self._container, self._stream)
        self._reached_s: dict[bool, float] = {True: 0.0, False: 0.0}  # by pictures, by sound
        self._longest_s = 1 / self.fps if self.fps else 0.0

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, unless a read hangs: FFmpeg crashes when it is closed under one."""
        self._closed = True
        if self._reading.acquire(timeout=_CLOSE_TIMEOUT_S):
            self._container.close()
            self._reading.release()

    def stop(self) -> None:
        """Do nothing: nothing waits here for longer than a picture takes."""

    def __iter__(self) -> Iterator[Frame]:
        start: float | None = None
        before_s = float("inf")
        index = given = 0
        for picture in self._pictures():
            if picture is not None:
                at = picture.time if picture.time is not None else index / (self.fps or 25.0)
                start = at if start is None else start
                if not self._stream.frames:  # Matroska tells no duration of a last picture that is shown for long
                    self._longest_s = max(self._longest_s, at - before_s)
                before_s = at
                yield self._frame(picture, index, at - start)
                given += 1
            index += 1
        if not given:
            raise SourceError(f"{self._path} holds no readable picture ({index} damaged). Copy it again.")
        self._check_end(index)

    def _frame(self, picture: Any, index: int, media_s: float) -> Frame:
        height, width = square_size(picture.height, picture.width, self._aspect)
        turned = round(picture.rotation) % 180 == 90
        size = (width, height) if turned else (height, width)
        convert = partial(self._convert, picture)
        return LateFrame(convert, size, luma_view(picture), index, time.monotonic(), str(self._path), media_s)

    def _convert(self, picture: Any) -> UInt8:
        """Make BGR of a picture, in any thread: each has a converter of its own."""
        if not hasattr(self._converters, "own"):
            self._converters.own = self._av.video.reformatter.VideoReformatter()
        return _upright(picture, self._converters.own, self._aspect)

    def _pictures(self) -> Iterator[Any]:
        """Decoded frames; None for each damaged one."""
        for packet in self._packets():
            try:
                frames = self._read(packet.decode)
            except self._av.error.FFmpegError as error:
                self._skip(str(error.strerror))
                yield None
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self._skip("decoded with errors")
                yield None if frame.is_corrupt else frame

    def _read(self, act: Callable[[], _T]) -> _T:
        """Do one step in FFmpeg, which crashes when it is closed meanwhile or before."""
        with self._reading:
            self._expect_open()
            return act()

    def _expect_open(self) -> None:
        if self._closed:
            raise SourceError(f"{self._path} is closed; open it again to read it.")

    def _packets(self) -> Iterator[Any]:
        try:
            self._expect_open()
            packets = iter(self._container.demux(self._stream, *self._container.streams.audio))
            while (packet := self._read(lambda: next(packets, None))) is not None:
                self._note_time(packet)
                if packet.stream is self._stream:
                    yield packet
        except self._av.error.FFmpegError as error:
            self._report(f"{self._path} cannot be read on: {error.strerror}.")
            self.ended_early = True

    def _note_time(self, packet: Any) -> None:
        """Remember how far pictures and sound go."""
        if packet.pts is not None and packet.time_base and not packet.is_corrupt:
            is_own = packet.stream is self._stream
            end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self._reached_s[is_own] = max(self._reached_s[is_own], end_s - _start_s(self._container, packet.stream))

    def _skip(self, reason: str) -> None:
        self.skipped += 1
        if self.skipped <= 3:
            self._report(f"skipped a damaged frame of {self._path}: {reason}.")

    def _check_end(self, count: int) -> None:
        if self._is_cut(count):
            self.ended_early = True
        if self.ended_early:
            told_s = self._own_duration_s or (self._container.duration or 0) / 1e6
            self._report(
                f"{self._path} ended early: {count} of {self.total or 'an unknown number of'} frames are in it, "
                f"{self._reached_s[True]:.2f} of {told_s:.2f} s. "
                "The file is cut short; copy it again if it should be whole."
            )

    def _is_cut(self, count: int) -> bool:
        """Whether less is in the file than its header announces."""
        if ends_inside_a_box(self._path) and (self.total is None or count < self.total):
            return True
        if self._own_duration_s:
            gap_s = self._own_duration_s - self._reached_s[True]
            few = self.total is None or self.total - count >= _MISSING_FRAMES
            return few and gap_s > max(_MISSING_INTERVALS * self._longest_s, _MISSING_S)
        if self.total is not None:
            return self.total - count >= _MISSING_FRAMES
        whole_s = (self._container.duration or 0) / 1e6
        room_s = max(2 * self._longest_s, _MISSING_ALONE_S, _MISSING_ALONE_SHARE * whole_s)
        return whole_s - max(self._reached_s.values()) > room_s


def _open_container(av: Any, path: Path) -> tuple[Any, Any]:
    try:
        container = _open(av, path)
    except (av.error.FFmpegError, OSError) as error:
        refused = isinstance(error, av.error.ArgumentError)
        raise SourceError(
            f"{path} ({path.stat().st_size} bytes) is not a video in a plain container such as mp4, mkv or avi: "
            f"{'its content is of another kind' if refused else error.strerror or 'unknown format'}. "
            "See if a player opens it, or convert it with ffmpeg."
        ) from None
    stream = next((s for s in container.streams.video if s.codec_context is not None), None)
    if stream is None or not stream.codec_context.width:
        container.close()
        raise SourceError(f"{path} holds no video that can be decoded. Convert it to H.264 in mp4 or mkv.")
    return container, stream


def _open(av: Any, path: Path) -> Any:
    with open_regular(path, SourceError) as stream:
        head = stream.read(_HEAD_BYTES)
        if head.startswith(b"GIF8") and path.stat().st_size <= _MOST_GIF_BYTES:
            timed = with_times(head + stream.read())
            return av.open(io.BytesIO(timed), format="gif", metadata_errors="replace")
    # JPEG after JPEG, as `ffmpeg -f mjpeg` and cameras write them, would be taken for one picture.
    kind = "mjpeg" if head.startswith(b"\xff\xd8\xff") else None
    return av.open(f"file:{path.absolute()}", format=kind, options=_OPTIONS, metadata_errors="replace")


def _frame_count(container: Any, stream: Any, fps: float | None) -> int | None:
    """Frames by the header: counted in mp4 and avi, by the duration in matroska."""
    if stream.frames:
        return int(stream.frames)
    if container.duration and fps and len(container.streams) == 1:
        return int(container.duration / 1e6 * fps + 0.5)
    return None


def _upright(picture: Any, reformatter: Any, aspect: Fraction | None) -> UInt8:
    """HWC BGR of a picture, of square pixels and turned as its recording says; a view where it need not be turned."""
    image = square_bgr(picture, reformatter, aspect)
    turn = _ROTATIONS.get(round(picture.rotation) % 360)
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)


def _start_s(container: Any, stream: Any) -> float:
    if stream.start_time is not None and stream.time_base:
        return max(0.0, float(stream.start_time * stream.time_base))
    return max(0.0, (container.start_time or 0) / 1e6)


def _duration_s(container: Any, stream: Any) -> float | None:
    """How long the pictures last by the header: of their own track, else of a file that holds nothing else."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    told = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "").strip("\0"))
    if told:
        return int(told[1]) * 3600 + int(told[2]) * 60 + float(told[3])
    if container.duration and len(container.streams) == 1:
        return float(container.duration) / 1e6
    return None
