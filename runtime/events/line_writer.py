"""Writing to a place that may take nothing: a stopped terminal, a full pipe that nobody reads, a server that is away.

``put`` keeps nobody waiting: a thread writes, from a bounded queue. What does not fit there is counted, and said where
it is missing as soon as something can be written again.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

_PLACES = 1000
_BYTES = 1 << 20
_CHUNK = 4096
"""A pipe takes so much whole or not at all, so that lines of several processes do not mix."""
_PATIENCE_S = 0.05
_RETRY_S = 1.0


def sentence_of_loss(lines: int) -> str:
    """Word what stands in the place of lines that were thrown away."""
    return f"edgeseg: {lines} lines of this log were thrown away, because nothing took them."


class LineWriter:
    """Writes to a descriptor that may block for ever, or refuse.

    In good times :meth:`put` returns when the text is written, so that a crash loses none. It waits at most
    :data:`_PATIENCE_S` for that, and then not at all until the place takes something again. A place that refuses (its
    reader is gone, its disk is full) is tried again each second.

    Args:
        fd: where it goes; not closed here.

    Attributes:
        say_loss: words the line that stands for so many lost ones.
    """

    def __init__(self, fd: int) -> None:
        self.say_loss: Callable[[int], str] = sentence_of_loss
        self._fd = fd
        self._pid = os.getpid()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._given = self._written = self._lost = 0
        self._stuck = False
        # Reentrant: a warning of the garbage collector may come in the middle of put().
        self._changed = threading.Condition(threading.RLock())
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, text: bytes) -> None:
        """Hand over whole lines, from any thread."""
        if os.getpid() != self._pid:
            _write_now(self._fd, text)  # a forked child has no such thread
            return
        with self._changed:
            if len(self._waiting) >= _PLACES or self._bytes + len(text) > _BYTES:
                self._lost += max(1, text.count(b"\n"))
                return
            self._tell_loss()
            self._append(text)
            self._wait_written(_PATIENCE_S)

    def drain(self, timeout_s: float) -> bool:
        """Wait until all is written, at most so long; whether it is."""
        if os.getpid() != self._pid:
            return True
        with self._changed:
            self._tell_loss()
            self._changed.wait_for(lambda: self._written == self._given, timeout_s)
            return self._written == self._given

    def _append(self, text: bytes) -> None:
        self._waiting.append(text)
        self._bytes += len(text)
        self._given += 1
        self._changed.notify_all()

    def _tell_loss(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, 0
            self._append(f"{self.say_loss(lost)}\n".encode())

    def _wait_written(self, timeout_s: float) -> None:
        if self._stuck:
            return
        number = self._given
        if not self._changed.wait_for(lambda: self._written >= number or self._stuck, timeout_s):
            self._stuck = True

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._tell_loss()
                self._changed.wait_for(lambda: self._waiting)
                text = self._waiting.popleft()
            self._write(text)
            with self._changed:
                self._bytes -= len(text)
                self._written += 1
                self._stuck = False
                self._changed.notify_all()

    def _write(self, text: bytes) -> None:
        """Until all of it is written, however long that takes."""
        left = memoryview(text)
        while left:
            try:
                left = left[os.write(self._fd, left[:_CHUNK]) :]
            except BlockingIOError:
                self._set_stuck()
                select.select([], [self._fd], [], _RETRY_S)
            except OSError:
                self._set_stuck()
                time.sleep(_RETRY_S)

    def _set_stuck(self) -> None:
        with self._changed:
            self._stuck = True
            self._changed.notify_all()


def _write_now(fd: int, text: bytes) -> None:
    """As much as it takes."""
    try:
        os.write(fd, text)
    except OSError:
        return
