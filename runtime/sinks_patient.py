"""A sink that a full disk does not take the run down with."""

from __future__ import annotations

import time

from edgeseg.errors import OutputError
from edgeseg.runtime.events import Event, OnEvent
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.runtime.recording import failure_reason
from edgeseg.runtime.sinks import Sink

RETRY_S = 30.0


class PatientSink:
    """Leaves results out while a live run's disk is full, and says when that begins and ends.

    Args:
        sink: can be written to again after an :class:`OutputError`.
        on_event: takes ``recording-stopped`` and ``recording-resumed``.
        retry_s: how long nothing is written after an error.
    """

    def __init__(self, sink: Sink, on_event: OnEvent, retry_s: float = RETRY_S) -> None:
        self.name = sink.name
        self.newest_only = sink.newest_only
        self._sink = sink
        self._on_event = on_event
        self._wait_s = retry_s
        self._retry_s = 0.0
        self._stopped_s: float | None = None

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        now_s = time.monotonic()
        if self._stopped_s is not None and now_s < self._retry_s:
            return
        try:
            self._sink.write(frame, prediction, latency_ms)
        except OutputError as error:
            self._failed(error, now_s)
        else:
            self._succeeded(now_s)

    def close(self) -> None:
        try:
            self._sink.close()
        except OutputError as error:
            self._failed(error, time.monotonic())

    def _failed(self, error: OutputError, now_s: float) -> None:
        self._retry_s = now_s + self._wait_s
        if self._stopped_s is None:
            self._stopped_s = now_s
            message = f"{error} It is tried again every {self._wait_s:g} s."
            self._on_event(Event("recording-stopped", self.name, message, failure_reason(error)))

    def _succeeded(self, now_s: float) -> None:
        if self._stopped_s is not None:
            outage_s = round(now_s - self._stopped_s, 3)
            self._stopped_s = None
            message = f"Written again; {outage_s:.0f} s are missing."
            self._on_event(Event("recording-resumed", self.name, message, facts={"outage_s": outage_s}))
