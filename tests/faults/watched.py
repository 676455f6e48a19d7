"""A live source read in a thread of its own, and what came of it and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import marked_picture

from edgeseg.errors import SourceError
from edgeseg.runtime.cameras.address import parse_address
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.cameras.live_source import StreamSource
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.frame import Frame

T = TypeVar("T")
WHOLE = 20.0
"""The drawn pattern of a picture that went through the encoder whole deviates by less than this."""


@dataclass(frozen=True)
class Seen:
    """One frame as it arrived.

    Attributes:
        marks: None where they cannot be read.
        came_s: when the reader was given it, monotonic.
    """

    frame: Frame
    size: tuple[int, int]
    marks: marked_picture.Marks | None
    came_s: float

    @property
    def age_s(self) -> float:
        """From drawing to the reader."""
        return self.came_s - self.marks.made_s if self.marks else float("nan")

    @property
    def whole(self) -> bool:
        return self.marks is not None and self.marks.error < WHOLE


class Watched:
    """Reads until the ``with`` block ends or the source does.

    Args:
        urls: of the cameras, named ``0``, ``1`` and so on.
        limits: of each connection.
        longest_wait_s: between two attempts.
        work_s: how long the reader is busy with each frame.
        keep: False to keep no frames, only ``count``.
    """

    def __init__(
        self,
        urls: Sequence[str],
        limits: Limits,
        longest_wait_s: float = 30.0,
        work_s: float = 0.0,
        keep: bool = True,
    ) -> None:
        addresses = [parse_address(url, str(number)) for number, url in enumerate(urls)]
        self.source = StreamSource(addresses, limits, self._hear, longest_wait_s)
        self.seen: list[Seen] = []
        self.events: list[Event] = []
        self.error: SourceError | None = None
        self.count = 0
        self._work_s, self._keep = work_s, keep
        self._thread = threading.Thread(target=self._read, name="watched", daemon=True)
        self._changed = threading.Condition()

    def __enter__(self) -> Watched:
        self.source.__enter__()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.source.__exit__()
        self._thread.join(5)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def wait_for(self, what: str, found: Callable[[], T | None], within_s: float) -> T:
        """What ``found`` returns as soon as it is true. AssertionError when it does not come, or the source fails."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while not (result := found()):
                left = deadline - time.monotonic()
                said = [str(event) for event in self.events[-6:]]
                assert left > 0, f"no {what} within {within_s} s; last events: {said}"
                assert self.error is None, f"no {what}, but {self.error}"
                self._changed.wait(min(left, 0.1))
        return result

    def event(self, kind: str, within_s: float, source: str = "0", after_s: float = 0.0) -> Event:
        """The first event of this kind since ``after_s``."""

        def found() -> Event | None:
            fit = (e for e in self.events if e.kind == kind and e.source == source and e.time_s >= after_s)
            return next(fit, None)

        return self.wait_for(f"event {kind!r}", found, within_s)

    def frame(self, within_s: float, source: str = "0", after_s: float = 0.0) -> Seen:
        """The first frame that was drawn since ``after_s``."""

        def found() -> Seen | None:
            fit = (s for s in self.seen if s.frame.source == source and s.marks and s.marks.made_s >= after_s)
            return next(fit, None)

        return self.wait_for("frame", found, within_s)

    def frames(self, count: int, within_s: float) -> list[Seen]:
        """All frames, as soon as there are this many."""
        return self.wait_for(f"{count} frames", lambda: self.seen if len(self.seen) >= count else None, within_s)

    def pid(self, camera: int = 0) -> int:
        """Of the capture process."""
        pid = self.source.cameras[camera].pid
        assert pid is not None
        return pid

    def _read(self) -> None:
        try:
            for frame in self.source:
                self._see(frame)
                time.sleep(self._work_s)
        except SourceError as error:
            self.error = error

    def _see(self, frame: Frame) -> None:
        came_s = time.monotonic()
        self.count += 1
        if not self._keep:
            return
        try:
            marks = marked_picture.read(frame.image)
        except ValueError:
            marks = None
        with self._changed:
            self.seen.append(Seen(frame, frame.image.shape[:2], marks, came_s))
            self._changed.notify_all()

    def _hear(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()
