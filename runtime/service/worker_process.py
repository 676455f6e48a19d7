"""The supervisor's side of a worker: starting it, hearing it, ending it whatever its state."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from edgeseg.runtime.events.standard_streams import put_error
from edgeseg.runtime.service.heartbeat import Progress
from edgeseg.runtime.system.line_child import LineChild

OPENING_S = 3600.0
"""TensorRT may build an engine first, which takes a Jetson the better part of an hour."""
_SILENT_S = 10.0
_LAST_WORDS_S = 0.3
_LONGEST_LINE = 1 << 16


class WorkerProcess:
    """A child that runs one job and says each half second how far it is.

    Args:
        command: program and arguments; the number of the pipe to speak into is added.
        job: one line, given on standard input, because a command line with a password could be read by every user of
            the machine.
        engine_timeout_s: an inference that takes longer hangs.
    """

    def __init__(self, command: Sequence[str], job: str, engine_timeout_s: float) -> None:
        self.progress = Progress()
        self._engine_timeout_s = engine_timeout_s
        said_fd, errors = os.pipe()
        os.set_blocking(errors, False)  # nothing that it or a library of it prints waits for anybody
        try:
            self._child = LineChild(command, job, stderr=errors)
        except OSError:
            os.close(said_fd)
            raise
        finally:
            os.close(errors)
        self._errors = threading.Thread(target=_pass_on, args=(said_fd,), name="edgeseg-errors", daemon=True)
        self._errors.start()
        self._started_s = self._heard_s = time.monotonic()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    def hear(self, timeout_s: float) -> bool:
        """Take in what it says, waiting at most ``timeout_s``; False when it has ended."""
        said = self._child.hear(timeout_s)
        if said is None:
            self._child.wait()
            return False
        if said:
            self._heard_s = time.monotonic()
            self.progress = Progress(**said[-1])
        return bool(said) or self._child.exit_code is None

    @property
    def overdue(self) -> str:
        """Why it counts as hung; empty while it does not."""
        now, limit_s = time.monotonic(), self._engine_timeout_s
        if not self.progress.opened:
            return f"its engine did not open within {OPENING_S:g} s" if now - self._started_s > OPENING_S else ""
        if self.progress.busy_s > limit_s:
            return f"an inference has not returned for {self.progress.busy_s:.1f} s (limit {limit_s:g} s)"
        silent_s = now - self._heard_s
        return f"it gave no sign of life for {silent_s:.1f} s" if silent_s > max(limit_s, _SILENT_S) else ""

    def ask_to_stop(self) -> None:
        """Send SIGTERM as a user would, upon which it finishes its files."""
        self._child.ask_to_stop()

    def kill(self) -> None:
        """Kill it with all its children: it leads a session of its own."""
        self._child.kill()

    def close(self) -> int:
        """Wait for its end, after it was seen or made to end; its exit code, negative for a signal."""
        code = self._child.close()
        self._errors.join(_LAST_WORDS_S)
        return code


def _pass_on(fd: int) -> None:
    """Pass on whole lines to the standard error of this process, until all that could write more have ended."""
    begun = b""
    while received := os.read(fd, 1 << 16):
        lines, newline, begun = (begun + received).rpartition(b"\n")
        if len(begun) > _LONGEST_LINE:
            lines, begun = lines + newline + begun, b""
        put_error(lines + newline)
    put_error(begun)
    os.close(fd)
