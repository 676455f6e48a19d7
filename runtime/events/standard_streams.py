"""Standard input, output and error of a process that must not depend on who reads them, or whether anybody does.

A closed one is opened onto ``/dev/null``: the next file or socket would get its number, and what is printed with it.
Standard error never blocks and never fails: :mod:`edgeseg.runtime.events.line_writer`. A reader of standard output
that goes away is :class:`ReaderGone`, and what cannot be written to it is an OutputError.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from edgeseg.errors import OutputError
from edgeseg.runtime.events.line_writer import LineWriter

LAST_WORDS_S = 0.4
_NUMBERS = ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY))
_GIVE_UP_S = 0.3


class ReaderGone(Exception):
    """Whoever read standard output reads no more: ``| head``."""


class StandardError(io.TextIOBase):
    """Text for ``sys.stderr`` that never waits long and never raises.

    Args:
        writer: takes whole lines.
        fd: the descriptor itself, for those who ask for its size or kind.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, writer: LineWriter, fd: int) -> None:
        self.writer = writer
        self._fd = fd
        self._begun = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write whole lines, and keep what follows the last one until it is whole or flushed."""
        with self._lock:
            lines, newline, self._begun = (self._begun + text).rpartition("\n")
            self._put(lines + newline)
        return len(text)

    def flush(self) -> None:
        """Write the line that has begun, too."""
        with self._lock:
            begun, self._begun = self._begun, ""
            self._put(begun)

    def fileno(self) -> int:
        """Return the file's number."""
        return self._fd

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return os.isatty(self._fd)

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def _put(self, text: str) -> None:
        if text:
            self.writer.put(text.encode(self.encoding, self.errors))


class _StandardOutput(io.FileIO):
    """Says in edgeseg's own terms what is wrong with standard output."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            raise _translate(error) from None


def open_missing() -> None:
    """Open what is closed of descriptors 0, 1 and 2, before anything else is opened in this process."""
    for number, mode in _NUMBERS:
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno == errno.EBADF:
                _open_onto(number, mode)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _open_onto(number: int, mode: int) -> None:
    fd = os.open(os.devnull, mode)
    if fd != number:
        os.dup2(fd, number)
        os.close(fd)
    os.set_inheritable(number, True)


def guard() -> None:
    """Prepare the streams of this process; for its main function, once, before any other thread."""
    open_missing()
    if isinstance(sys.stderr, StandardError):
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    sys.stderr = StandardError(LineWriter(2), 2)
    by_line = sys.stdout.line_buffering or getattr(sys.stdout, "write_through", False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_StandardOutput(1, "w", closefd=False)),
        encoding=sys.stdout.encoding,
        errors=sys.stdout.errors,
        line_buffering=bool(by_line),
    )


def finish(timeout_s: float = LAST_WORDS_S) -> None:
    """Give what was said a last chance to arrive; before the process ends, by whatever way."""
    if isinstance(sys.stderr, StandardError):
        try:
            sys.stdout.flush()
        except (ReaderGone, OutputError):
            discard_output()
        sys.stderr.flush()
        sys.stderr.writer.drain(timeout_s)


def put_error(text: bytes) -> None:
    """Pass on to standard error what another process wrote to its own."""
    if isinstance(sys.stderr, StandardError):
        if text:
            sys.stderr.writer.put(text)
    else:
        sys.stderr.write(text.decode(errors="replace"))
        sys.stderr.flush()


def discard_output() -> None:
    """Let what is still to be printed go nowhere, so that the end of the process does not stumble over it."""
    if isinstance(sys.stderr, StandardError):
        fd = os.open(os.devnull, os.O_WRONLY)
        os.dup2(fd, 1)
        os.close(fd)


def print_result(text: str, give_up: Callable[[], bool], stream: TextIO | None = None) -> bool:
    """Print to standard output, waiting for its reader until ``give_up`` says not to.

    Returns:
        Whether it was taken.

    Raises:
        ReaderGone, OutputError: it cannot be written.
    """
    if not isinstance(sys.stderr, StandardError):
        print(text, file=stream, flush=True)  # a program that calls edgeseg, which has streams of its own
        return True
    sys.stdout.flush()
    failed: list[OSError] = []
    thread = threading.Thread(target=_write_all, args=(f"{text}\n".encode(), failed), name="edgeseg-out", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_GIVE_UP_S)
        if thread.is_alive() and give_up():
            return False
    if failed:
        raise _translate(failed[0])
    return True


def _write_all(data: bytes, failed: list[OSError]) -> None:
    try:
        while data:
            try:
                data = data[os.write(1, data) :]
            except BlockingIOError:  # another program made the terminal so
                select.select([], [1], [])
    except OSError as error:
        failed.append(error)


def _translate(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return ReaderGone("the reader of standard output is gone")
    return OutputError(f"Standard output cannot be written: {error.strerror}. Send it somewhere else.")
