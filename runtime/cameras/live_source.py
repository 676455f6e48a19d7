"""Live cameras as one source: each in a process of its own, all into the one place of whoever takes their frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from edgeseg.errors import SourceError
from edgeseg.runtime.cameras.address import Address
from edgeseg.runtime.cameras.camera import Camera
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.handoff import FrameTaker, Handoff, HandoffCounts
from edgeseg.runtime.system.backoff import LONGEST_S

_CLOSE_TIMEOUT_S = 2.0


class StreamSource:
    """Frames of one or several live cameras until they end or this is closed.

    Connecting begins with the ``with`` block. A camera that is lost comes back by itself; one that
    cannot (wrong password, unknown host) fails, and when all have, iteration raises.

    Args:
        addresses: the cameras; names differ.
        limits: of each connection.
        on_event: called with each :class:`~edgeseg.runtime.events.event.Event`, from threads of the cameras.
        longest_wait_s: between two attempts to connect.

    Raises (when iterated):
        SourceError: no camera can go on.
    """

    live = True
    total: int | None = None
    ended_early = False

    def __init__(
        self,
        addresses: Sequence[Address],
        limits: Limits = Limits(),  # noqa: B008
        on_event: OnEvent = event_to_stderr,
        longest_wait_s: float = LONGEST_S,
    ) -> None:
        self._errors: list[SourceError] = []
        self._lock = threading.Lock()
        self._running = len(addresses)
        self._over = threading.Event()
        self._closed = False
        self._taker: FrameTaker | None = None
        self._place: Handoff[Frame] | None = None
        self.cameras = [
            Camera(address, limits, self, on_event, self._end_camera, longest_wait_s) for address in addresses
        ]

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the first camera, once known."""
        return self.cameras[0].size

    @property
    def fps(self) -> float | None:
        """Frames a second of the first camera; None while it has told none."""
        return self.cameras[0].fps

    @property
    def skipped(self) -> int:
        """Damaged pictures left out."""
        return sum(camera.counts["damaged"] for camera in self.cameras)

    @property
    def counts(self) -> HandoffCounts:
        """What became of the pictures while this is iterated."""
        return self._place.counts if self._place else HandoffCounts()

    @property
    def waiting(self) -> bool:
        """Whether no frame is to be expected: every camera is known to be away, or to show what it showed before."""
        return all(camera.is_away or camera.rests for camera in self.cameras)

    @property
    def names(self) -> Sequence[str]:
        """The cameras' names, without credentials."""
        return [camera.source for camera in self.cameras]

    def __enter__(self) -> StreamSource:
        self._expect_open()
        for camera in self.cameras:
            camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self.stop()
        deadline = time.monotonic() + _CLOSE_TIMEOUT_S
        for camera in self.cameras:
            camera.join(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """End iteration, and :meth:`feed`, from any thread."""
        for camera in self.cameras:
            camera.close()
        self._over.set()
        if self._place is not None:
            self._place.abort()

    def feed(self, taker: FrameTaker) -> None:
        """Put the frames of every camera into ``taker``, in the cameras' own threads, until they end or :meth:`stop`.

        Raises:
            SourceError: no camera can go on, or this is closed.
        """
        self._expect_open()
        self._taker = taker
        self._over.wait()
        self._taker = None
        self._expect_no_failure()

    def __iter__(self) -> Iterator[Frame]:
        self._expect_open()
        self._taker = self._place = Handoff[Frame](1, newest_wins=True, lane=lambda frame: frame.source)
        if self._over.is_set():
            self._place.close()
        while (taken := self._place.take()) is not None:
            yield taken[1]
        self._expect_no_failure()

    def put(self, item: Frame) -> bool:
        """Pass a camera's frame on; before anybody wants one, and after the end, it goes nowhere."""
        taker = self._taker
        return taker is not None and taker.put(item)

    def lose(self, dropped: int = 0, stale: int = 0) -> None:
        """Pass on how many pictures of a camera were lost on their way here."""
        taker = self._taker
        if taker is not None:
            taker.lose(dropped, stale)

    def _expect_open(self) -> None:
        if self._closed:
            raise SourceError(f"{', '.join(self.names)}: closed; open it again to read it.")

    def _expect_no_failure(self) -> None:
        if self._errors and len(self._errors) == len(self.cameras):
            raise self._errors[0]

    def _end_camera(self, error: SourceError | None) -> None:
        with self._lock:
            self._running -= 1
            if error is not None:
                self._errors.append(error)
            if not self._running:
                self._over.set()
                if self._place is not None:
                    self._place.close()
