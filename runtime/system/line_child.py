"""A child process that is given its job as one line and speaks lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, Any

from edgeseg.runtime.system.child_python import child_environment


class LineChild:
    """A process of ours that tells by lines in a pipe of its own what it does; it leads a session of its own.

    Args:
        command: program and arguments; the number of the pipe to speak into is added.
        job: one line, given on standard input, because a command line with a password could be read by every user of
            the machine.
        stderr: where its standard error goes.
        stdout: where its standard output goes; that of this process when None.
        pass_fds: descriptors that it inherits beside the three standard ones and the pipe.
        environment: variables beside those of this process.
        longest_line: more bytes without an end of line make no sense.

    Raises:
        OSError: the system has no room for another process.
    """

    def __init__(
        self,
        command: Sequence[str],
        job: str,
        stderr: int | IO[bytes],
        stdout: int | None = None,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        longest_line: int = 1 << 16,
    ) -> None:
        self._buffer, self._longest_line = b"", longest_line
        self._fd, child_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, str(child_end)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(*pass_fds, child_end),
                start_new_session=True,
                env=child_environment(environment),
            )
        except OSError:
            os.close(self._fd)
            raise
        finally:
            os.close(child_end)
        self.give(job.encode() + b"\n")

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def give(self, data: bytes) -> None:
        """Send bytes to its standard input; what cannot be sent shows in :meth:`hear`, as its end."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(data)

    def hear(self, timeout_s: float) -> list[Any] | None:
        """Return what it said in whole lines, after waiting for something at most ``timeout_s``; None after its end.

        Raises:
            ValueError: that is not JSON, or not a line.
        """
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return []
        received = os.read(self._fd, 1 << 16)
        if not received:
            return None
        *lines, self._buffer = (self._buffer + received).split(b"\n")
        if len(self._buffer) > self._longest_line:
            raise ValueError("the child process sends what is not a line")
        return [json.loads(line) for line in lines]

    def ask_to_stop(self) -> None:
        """Send SIGTERM as a user would."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end; its exit code, or None when it has not ended in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Kill it with all its children, which may live even when it does not."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close_input(self) -> None:
        """Give nothing more: it sees the end of its standard input."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def close(self) -> int:
        """Wait for its end, after it was seen or made to end, and give everything back; its exit code.

        Once only: the number of the pipe may be somebody else's afterwards.
        """
        code = self._process.wait()
        self.kill()  # children that it left behind
        self.close_input()
        os.close(self._fd)
        return code


def ended_by(code: int) -> str:
    """Word an exit status: ``SIGSEGV``, or ``exit code 3``.

    >>> ended_by(-11), ended_by(3)
    ('SIGSEGV', 'exit code 3')
    """
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
