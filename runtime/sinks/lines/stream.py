"""Lines into a pipe, a terminal or another device: nothing there is sought, cut, locked or renamed."""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import sys
import time
from pathlib import Path

from edgeseg.errors import OutputError
from edgeseg.files.atomic import writing

_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}
_POLL_S = 0.05
_FLAGS = os.O_WRONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))


def is_stream(path: Path) -> bool:
    """Tell whether ``path`` is there and neither file nor folder, or an open file of this process."""
    if _own_fd(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def is_standard_output(path: Path) -> bool:
    """Tell whether ``path`` names this process's standard output."""
    return _own_fd(path) == 1


def from_child(path: Path) -> Path:
    """Name ``path`` as a child that inherits only 0, 1 and 2 finds it: bash's ``>(...)``."""
    own = _own_fd(path)
    return path if own is None or own <= 2 or sys.platform != "linux" else Path(f"/proc/{os.getpid()}/fd/{own}")


class LineStream:
    """Writes lines to what :func:`is_stream` is true for.

    Args:
        path: a FIFO, a device, or ``/dev/stdout``, ``/dev/stderr``, ``/dev/fd/N``.
        patience_s: how long to wait for somebody to read a FIFO.

    Raises:
        OutputError: from :meth:`write`: nobody reads it, or it cannot be written.
    """

    def __init__(self, path: Path, patience_s: float = 0.0) -> None:
        self._path = path
        self._patience_s = patience_s
        self._file: int | None = None
        self._closed = False

    def write(self, line: bytes) -> None:
        """Write ``line`` whole; as long as its reader rests, so does this."""
        if self._closed:
            raise OutputError(f"{self._path} is closed; open it again to write more lines.")
        with writing(self._path):
            try:
                if self._file is None:
                    self._file = self._open()
                while line:
                    try:
                        line = line[os.write(self._file, line) :]
                    except BlockingIOError:  # another program made what this one inherited so
                        select.select([], [self._file], [])
            except OSError as error:
                self._let_go()
                if error.errno in (errno.EPIPE, errno.ENXIO):
                    message = f"Nobody reads {self._path}. Start what reads it, then run again."
                    raise OutputError(message) from error
                raise

    def close(self) -> None:
        """Let it go for good; a second call does nothing."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        own = _own_fd(self._path)
        if own is not None:
            return os.dup(own)
        due_s = time.monotonic() + self._patience_s
        while True:
            try:
                file = os.open(self._path, _FLAGS)
            except OSError as error:
                if error.errno != errno.ENXIO or time.monotonic() >= due_s:
                    raise
                time.sleep(_POLL_S)
                continue
            if hasattr(os, "O_NONBLOCK"):
                os.set_blocking(file, True)
            return file


def _own_fd(path: Path) -> int | None:
    name = path.as_posix()
    found = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", name)
    return int(found[1]) if found else _STANDARD.get(name)
