"""Raw pictures from a pipe, as GStreamer's ``y4menc`` writes them.

Not FFmpeg's reader: ``y4menc`` (1.22) pads rows to four bytes and their number to two, and the format has none
of that, so every picture whose width is no multiple of eight came out as slanted stripes.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.runtime.cameras.capture.stream_fault import StreamFault

_LONGEST_LINE = 256
_PIXELS = 7680 * 4320

Plane = npt.NDArray[np.uint8]


class Y4mReader:
    """I420 pictures from ``fd``.

    Args:
        fd: where they come from; stays the caller's.
        timeouts_s: for the header, and for each picture.

    Attributes:
        width, height: in pixels.
        fps: as announced.
        aspect: width of a pixel over its height as announced, or None.

    Raises:
        StreamFault: nothing came, or something else.
    """

    def __init__(self, fd: int, timeouts_s: tuple[float, float]) -> None:
        self._fd, self._buffer = fd, bytearray()
        self._timeout_s = timeouts_s[0]
        self.width, self.height, self.fps, self.aspect = _parse(self._line())
        self._timeout_s = timeouts_s[1]
        self._padded: bool | None = None if self._sizes(True) != self._sizes(False) else False

    def pictures(self) -> Iterator[tuple[Plane, Plane, Plane]]:
        """Yield the planes Y, U and V of each picture. Raises StreamFault at the end."""
        while True:
            line = self._line()
            if not line.startswith(b"FRAME"):
                raise StreamFault("broken", "what came between two pictures is not a picture")
            if self._padded is None:
                self._padded = self._is_padded()
            data = self._take(self._bytes(self._padded))
            yield self._planes(data, self._sizes(self._padded))

    def _planes(self, data: bytearray, sizes: list[tuple[int, int]]) -> tuple[Plane, Plane, Plane]:
        at, planes = 0, []
        for (rows, stride), (height, width) in zip(sizes, self._sizes(False), strict=True):
            planes.append(np.frombuffer(data, np.uint8, rows * stride, at).reshape(rows, stride)[:height, :width])
            at += rows * stride
        return planes[0], planes[1], planes[2]

    def _is_padded(self) -> bool:
        """Where the second picture begins tells."""
        short = self._bytes(False)
        self._fill(short + 5)
        return self._buffer[short : short + 5] != b"FRAME"

    def _bytes(self, padded: bool) -> int:
        return sum(rows * stride for rows, stride in self._sizes(padded))

    def _sizes(self, padded: bool) -> list[tuple[int, int]]:
        """(rows, bytes a row) of each plane."""
        halves = ((self.height + 1) // 2, (self.width + 1) // 2)
        if not padded:
            return [(self.height, self.width), halves, halves]
        return [(halves[0] * 2, _by_four(self.width)), *2 * [(halves[0], _by_four(halves[1]))]]

    def _line(self) -> bytes:
        deadline_s = time.monotonic() + self._timeout_s
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise StreamFault("not a video", "what came is not a video")
            self._more(deadline_s)
        return bytes(self._take(end + 1))

    def _take(self, count: int) -> bytearray:
        self._fill(count)
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _fill(self, count: int) -> None:
        deadline_s = time.monotonic() + self._timeout_s
        while len(self._buffer) < count:
            self._more(deadline_s)

    def _more(self, deadline_s: float) -> None:
        ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline_s - time.monotonic()))
        if not ready:
            raise StreamFault("timeout", "nothing came in time")
        received = os.read(self._fd, 1 << 20)
        if not received:
            raise StreamFault("closed", "the stream ended")
        self._buffer += received


def read_frame(av: Any, planes: tuple[Plane, Plane, Plane]) -> Any:
    """Copy the planes into a frame of PyAV."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for target, rows in zip(frame.planes, planes, strict=True):
        view = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
        view[: rows.shape[0], : rows.shape[1]] = rows
    return frame


def _by_four(pixels: int) -> int:
    return (pixels + 3) // 4 * 4


def _parse(header: bytes) -> tuple[int, int, float | None, Fraction | None]:
    """Width, height, rate and pixel aspect of ``YUV4MPEG2 C420 W640 H480 F30:1 A1:1``."""
    words = header.decode("ascii", "replace").split()
    facts = {word[0]: word[1:] for word in words[1:]}
    try:
        width, height = int(facts["W"]), int(facts["H"])
        rate, aspect = _ratio(facts.get("F", "0:0")), _ratio(facts.get("A", "0:0"))
    except (KeyError, ValueError):
        raise StreamFault("not a video", "what came is not a video") from None
    if words[0] != "YUV4MPEG2" or not facts.get("C", "420").startswith("420") or min(width, height) < 1:
        raise StreamFault("not a video", "what came is not a video")
    if width * height > _PIXELS:
        raise StreamFault("too large", f"its pictures have {width}x{height} pixels, more than {_PIXELS}")
    return width, height, None if rate is None else float(rate), aspect


def _ratio(text: str) -> Fraction | None:
    over, under = map(int, text.split(":"))
    return Fraction(over, under) if over > 0 and under > 0 else None
