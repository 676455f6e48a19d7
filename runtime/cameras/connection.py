"""One connection to a camera, as the parent of its capture process sees it.

A stream is lost when no picture has come for ``timeout_s``, whatever the cause: a silent network, a
hung decoder, a killed process. The parent's own clock decides that, so nothing that happens in the
child can hide it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgeseg.runtime.cameras.capture.ring import Picture
from edgeseg.runtime.cameras.capture_process import CaptureMessage, CaptureProcess, Limits

COUNTS = ("received", "damaged")
LOSSES = ("dropped", "stale")
_POLL_S = 0.2
_HUNG_S = 2.0


@dataclass(frozen=True)
class End:
    """Why a connection is over: a word for programs, and a sentence."""

    reason: str
    message: str


class Connection:
    """Passes on the newest pictures of a capture process until the connection is over.

    Args:
        process: ready or getting ready; not closed here.
        limits: how long to wait for what.
        deliver: called with each picture, when it was captured (monotonic), its presentation time, and its number
            in this connection.
        lose: called with how many pictures were dropped, and how many came too late, since the last call.
        closing: ends :meth:`run`.

    Attributes:
        counts: pictures so far, by :data:`COUNTS`: whole ones, used or not, and damaged ones.
        fps: as announced by the stream.
        unchanged_s: monotonic time at which the camera last said that its picture is the one it gave before.
    """

    def __init__(
        self,
        process: CaptureProcess,
        limits: Limits,
        deliver: Callable[[Picture, float, float | None, int], object],
        lose: Callable[[int, int], object],
        closing: Callable[[], bool],
    ) -> None:
        self.counts = dict.fromkeys(COUNTS, 0)
        self.fps: float | None = None
        self.unchanged_s = float("-inf")
        self._process, self._limits, self._closing = process, limits, closing
        self._deliver, self._lose = deliver, lose
        self._lost = dict.fromkeys(LOSSES, 0)
        self._packets = 0
        self._ready = self._opened = False
        self._heard_s = time.monotonic()
        self._deadline_s = self._heard_s + limits.start_timeout_s
        self._packets_before = 0

    def run(self) -> End:
        """Say go, and return when the connection is over."""
        self._process.go()
        try:
            return self._listen()
        except ValueError as error:
            return End("broken", f"{error}; it is killed")

    def _listen(self) -> End:
        while not self._closing():
            left_s = self._deadline_s - time.monotonic()
            news = self._process.news(max(0.0, min(_POLL_S, left_s)))
            if news is None:
                return self._describe_end()
            if (end := self._hear(news)) is not None:
                return end
            if not news and time.monotonic() >= self._deadline_s:
                return self._overdue()
        return End("closed", "closed on request")

    def _hear(self, news: list[CaptureMessage]) -> End | None:
        if news:
            self._heard_s = time.monotonic()
        for item in news:
            self._count(item)
            if item["kind"] == "ready":
                self._ready, self._deadline_s = True, self._heard_s + self._limits.open_timeout_s
            if item["kind"] == "open":
                self.fps = item["fps"]
            if item["kind"] == "unchanged" and self._opened:
                self.unchanged_s, self._packets_before = self._heard_s, self._packets
                self._deadline_s = self._heard_s + self._limits.timeout_s
        self._take([item for item in news if item["kind"] == "picture"])
        return next((End(item["reason"], item["message"]) for item in news if item["kind"] == "end"), None)

    def _take(self, pictures: list[CaptureMessage]) -> None:
        """Pass on the newest; those before it nobody could have used in time."""
        if not pictures:
            return
        for older in pictures[:-1]:
            self._process.release(older)
        self._report_lost(len(pictures) - 1, 0)
        newest = pictures[-1]
        picture = self._process.copy(newest)
        self._process.release(newest)
        self._opened, self._packets_before = True, self._packets
        self._deadline_s = time.monotonic() + self._limits.timeout_s
        self._deliver(picture, newest["captured_s"], newest["presented_s"], newest["received"] - 1)

    def _count(self, item: CaptureMessage) -> None:
        self._packets = item["packets"]
        self.counts = {name: item[name] for name in COUNTS}
        before, self._lost = self._lost, {name: item[name] for name in LOSSES}
        self._report_lost(*(self._lost[name] - before[name] for name in LOSSES))

    def _report_lost(self, dropped: int, stale: int) -> None:
        """Nothing is taken back: what a capture process says may be made up by whom it listens to."""
        if dropped > 0 or stale > 0:
            self._lose(max(0, dropped), max(0, stale))

    def _describe_end(self) -> End:
        said = self._process.close()
        return End("killed", f"its capture process ended ({self._process.ended_by}{f': {said}' if said else ''})")

    def _overdue(self) -> End:
        limits = self._limits
        if not self._ready:
            return End("hung", f"its capture process did not start within {limits.start_timeout_s:g} s")
        if time.monotonic() - self._heard_s > _HUNG_S:
            return End("hung", "its capture process hangs and is killed")
        if not self._opened and self._packets:
            return End(
                "damaged", f"what was received within {limits.open_timeout_s:g} s of connecting was no whole picture"
            )
        if not self._opened:
            return End("timeout", f"no picture was received within {limits.open_timeout_s:g} s of connecting")
        if self._packets > self._packets_before:
            return End("damaged", f"everything received for {limits.timeout_s:g} s was damaged or late")
        return End("timeout", f"nothing was received for {limits.timeout_s:g} s")
