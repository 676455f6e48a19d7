"""Where masks go. A sink is one verb, ``write``, and ``close``.

Sinks are made before the work and touch the disk with the first frame, in a thread of their own:
:class:`SinkThread`. What can be known to be wrong earlier is said by :mod:`edgeseg.runtime.output_check`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from edgeseg.errors import OutputError
from edgeseg.runtime.events.event import Event, OnEvent, event_to_stderr
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.handoff import Handoff
from edgeseg.runtime.frames.timing import Stage, clock_s

_WAITING = 4
REST_S = 30.0
"""How long a live sink rests after an error."""


class Sink(Protocol):
    """Something that takes masks, in order, from one thread.

    Attributes:
        name: what the summary calls it.
        newest_only: True for a preview, which shows the newest frame and lets others go.
    """

    name: str
    newest_only: bool

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Take one result; the arrays may be kept but not changed.

        Raises:
            OutputError: it cannot be written, or this is closed.
        """

    def close(self) -> None:
        """Finish what was written; a second call does nothing."""


class ClosableSink:
    """The part of a sink that remembers that it was closed."""

    name = ""
    _is_closed = False

    def close(self) -> None:
        """Finish; a second call does nothing."""
        self._is_closed = True

    def _expect_open(self) -> None:
        """Raise OutputError after :meth:`close`."""
        if self._is_closed:
            raise OutputError(f"The output {self.name!r} is closed; open another one to write more.")


class SinkThread:
    """Feeds a sink from a bounded queue, in which each camera has places of its own.

    A live sink that cannot write says so, rests, and tries again: a full disk ends no camera. A sink of
    a file that cannot write is done with.

    Args:
        sink: is written to and closed by this thread only.
        live: True to drop, and count, what the sink is too slow for; else the giver waits.
        failed: called with what ended the sink.
        on_event: called when a live sink rests and when it goes on.
    """

    def __init__(
        self,
        sink: Sink,
        live: bool,
        failed: Callable[[Exception], None],
        on_event: OnEvent = event_to_stderr,
    ) -> None:
        self.name = sink.name
        self.stage = Stage()
        self._sink, self._live = sink, live
        self._failed, self._on_event = failed, on_event
        self._resting_until_s = 0.0
        self._rested = 0
        capacity = 1 if sink.newest_only else _WAITING
        self._queue: Handoff[tuple[Frame, Prediction, float]] = Handoff(
            capacity, live or sink.newest_only, lane=lambda item: item[0].source
        )
        self._thread = threading.Thread(target=self._run, name=f"edgeseg-{sink.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Results it was too slow for, or could not write."""
        return self._queue.dropped + self._rested

    def put(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Queue a result; a live sink drops and counts what it is too slow for, any other makes the caller wait."""
        self._queue.put((frame, prediction, latency_ms))

    def close(self) -> None:
        """Write what is waiting and close the sink; no more will come."""
        self._queue.close()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the sink is closed; False when it is not yet."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (item := self._queue.take()) is not None:
                self._write(*item[1])
        except Exception as error:
            self._queue.abort()
            self._failed(error)
        try:
            self._sink.close()
        except Exception as error:
            self._failed(error)

    def _write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        start = clock_s()
        if start < self._resting_until_s:
            self._rested += 1
            return
        try:
            self._sink.write(frame, prediction, latency_ms)
        except OutputError as error:
            if not self._live:
                raise
            self._rest(start, error)
            return
        if self._resting_until_s:
            self._resting_until_s = 0.0
            message = f"writing again; {self._rested} results are missing."
            self._on_event(Event("output-resumed", self.name, message, facts={"missing": self._rested}))
        self.stage.record(clock_s() - start)

    def _rest(self, now_s: float, error: OutputError) -> None:
        self._rested += 1
        if not self._resting_until_s:
            message = f"{error} Inference goes on; tried again each {REST_S:g} s."
            self._on_event(Event("output-stopped", self.name, message, "output"))
        self._resting_until_s = now_s + REST_S
