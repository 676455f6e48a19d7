"""Frames that become BGR when somebody looks at them.

A decoder gives brightness and colour apart. To make BGR of a 768x432 picture costs about as much as to decode it, and
nobody looks at a frame that is passed over, or whose mask is taken over from an earlier one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeseg.image import UInt8
from edgeseg.runtime.frames.frame import Frame

_LUMA_FIRST = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p", "nv12", "nv21", "gray"}
)
"""Pixel formats of FFmpeg whose first plane is luma of eight bits."""


class LateFrame(Frame):
    """A frame whose image is converted once, in the thread that first asks for it.

    Args:
        convert: gives HWC uint8 BGR; called at most once.
        size: (height, width) of what it will give.
        luma: HW uint8 from the decoder, in whatever orientation; None where it has none of its own.
        index, time_s, source, media_s: see :class:`~edgeseg.runtime.frames.frame.Frame`.

    Example:
        >>> frame = LateFrame(lambda: np.zeros((2, 3, 3), np.uint8), (2, 3), None, 0, 0.0, "clip.mp4", 0.0)
        >>> frame.size, frame.image.shape, frame.image is frame.image
        ((2, 3), (2, 3, 3), True)
    """

    def __init__(
        self,
        convert: Callable[[], UInt8],
        size: tuple[int, int],
        luma: UInt8 | None,
        index: int,
        time_s: float,
        source: str,
        media_s: float | None,
    ) -> None:
        own = {"index": index, "time_s": time_s, "source": source, "name": "", "media_s": media_s, "pts_s": None}
        self.__dict__.update(own, _size=size, _luma=luma, _convert=convert, _image=None, _lock=threading.Lock())

    @property
    def image(self) -> UInt8:
        """HWC uint8 BGR; never written to."""
        with self.__dict__["_lock"]:
            if self.__dict__["_image"] is None:
                self.__dict__.update(_image=self.__dict__["_convert"](), _convert=None)
            found: UInt8 = self.__dict__["_image"]
        return found

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), which needs no conversion."""
        size: tuple[int, int] = self.__dict__["_size"]
        return size

    @property
    def luma(self) -> UInt8:
        """HW uint8 as the decoder gave it, without a copy."""
        luma: UInt8 | None = self.__dict__["_luma"]
        return super().luma if luma is None else luma


def luma_view(picture: Any) -> UInt8 | None:
    """Show the luma of a picture of PyAV as (height, width) uint8; None where its first plane is something else.

    >>> import av
    >>> luma_view(av.VideoFrame(6, 4, "yuv420p")).shape, luma_view(av.VideoFrame(6, 4, "rgb24"))
    ((4, 6), None)
    """
    if picture.format.name not in _LUMA_FIRST:
        return None
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: picture.height, : picture.width]
