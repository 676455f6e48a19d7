"""A file at the rate that it was made for, so that a window shows it as a player would."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.source_protocol import Source

_LATE_S = 0.2
"""Who is this late goes on from there, and does not catch up in a rush."""


class PacedSource:
    """Gives each frame of a file when its time in the recording has come, or at once when that has passed.

    Args:
        source: a file; this closes it.
        stretch: how much slower than the recording.
    """

    def __init__(self, source: Source, stretch: float = 1.0) -> None:
        self._source, self._stretch = source, stretch
        self._stopped = threading.Event()

    live = property(lambda self: self._source.live)
    size = property(lambda self: self._source.size)
    fps = property(lambda self: self._source.fps)
    total = property(lambda self: self._source.total)
    skipped = property(lambda self: self._source.skipped)
    waiting = property(lambda self: self._source.waiting)
    ended_early = property(lambda self: self._source.ended_early)
    names = property(lambda self: self._source.names)

    def __enter__(self) -> PacedSource:
        self._source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._source.__exit__(*error)

    def stop(self) -> None:
        """End the waiting for the next frame's time, and stop the source."""
        self._stopped.set()
        self._source.stop()

    def __iter__(self) -> Iterator[Frame]:
        begun_s: float | None = None
        for frame in self._source:
            now_s, at_s = time.monotonic(), (frame.media_s or 0.0) * self._stretch
            if begun_s is None or now_s - (begun_s + at_s) > _LATE_S:
                begun_s = now_s - at_s
            self._stopped.wait(begun_s + at_s - now_s)
            yield frame
        if begun_s is not None and self._source.fps:
            self._stopped.wait(self._stretch / self._source.fps)
