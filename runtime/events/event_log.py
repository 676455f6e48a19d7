"""The one place through which a running edgeseg speaks: sentences for people, or JSON lines for machines."""

from __future__ import annotations

import datetime
import json
import sys
import threading
import time
from typing import TextIO

from edgeseg.console.terminal import visible
from edgeseg.console.wording import reword
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.events.line_writer import sentence_of_loss
from edgeseg.runtime.events.redact import redact, redact_values
from edgeseg.runtime.events.standard_streams import StandardError


class Log:
    """Writes events, one line each, with the credentials of every address hidden. Use it from any thread.

    In a process of edgeseg it keeps nobody waiting, whoever reads it or does not:
    :mod:`edgeseg.runtime.events.standard_streams`.

    A JSON line holds ``time`` (UTC), ``event``, ``source``, ``message``, ``reason`` where there is one, and the
    event's facts.

    Args:
        as_json: one JSON object a line in place of sentences.
        stream: where they go; standard error when None.
    """

    def __init__(self, as_json: bool = False, stream: TextIO | None = None) -> None:
        self._as_json = as_json
        self._stream = stream
        self._lock = threading.Lock()
        if as_json and stream is None and isinstance(sys.stderr, StandardError):
            sys.stderr.writer.say_loss = lambda lines: _json_line(_event_of_loss(lines))

    def event(self, event: Event) -> None:
        """Write an event: a sentence, or a JSON object."""
        self._write(_json_line(event) if self._as_json else f"edgeseg: {visible(reword(redact(str(event))))}")

    def sentence(self, text: str) -> None:
        """Write something that concerns a single picture of a file."""
        if self._as_json:
            self.event(Event("note", "source", text))
        else:
            self._write(f"edgeseg: {visible(reword(redact(text)))}")

    def _write(self, line: str) -> None:
        stream = self._stream or sys.stderr
        with self._lock:
            stream.write(f"{line}\n")
            stream.flush()


def _event_of_loss(lines: int) -> Event:
    return Event("log-lost", "log", sentence_of_loss(lines).partition(": ")[2], facts={"lines": lines})


def _json_line(event: Event) -> str:
    ago_s = time.monotonic() - event.time_s
    when = datetime.datetime.fromtimestamp(time.time() - ago_s, datetime.timezone.utc)
    head = {"time": when.isoformat(timespec="milliseconds"), "event": event.kind, "source": redact(event.source)}
    reason = {"reason": event.reason} if event.reason else {}
    return json.dumps({**head, "message": reword(redact(event.message)), **reason, **redact_values(event.facts)})
