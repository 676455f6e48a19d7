"""Who uses a file of lines, and who writes a line at this moment: locks that end with the process.

Two bytes far behind any content stand for the two questions. They are locked through the open file and not
through the process, so that two threads exclude each other as well. Where a system has no such locks, lines are
guarded by ``flock``, and nobody knows who uses the file.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Iterator

from edgeseg.files.lock import lock, unlock

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:
    msvcrt = None  # type: ignore[assignment]

_USED, _LINE = 1 << 62, (1 << 62) + 1
_PATIENCE_S = 2.0
_PAUSE_S = 0.001


def claim_use(file: int, alone: bool) -> bool:
    """Say that ``file`` is used until it is closed; False when somebody else's use does not allow it.

    Args:
        alone: True to allow no other use.
    """
    return not _has_range_locks() or _lock_byte(file, _USED, fcntl.F_WRLCK if alone else fcntl.F_RDLCK)


@contextlib.contextmanager
def line_lock(file: int) -> Iterator[None]:
    """Hold ``file`` for one line. Who has held it for two seconds is taken to hang and is not waited for."""
    due_s = time.monotonic() + _PATIENCE_S
    while not (is_held := _lock_line(file)) and time.monotonic() < due_s:
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        if is_held:
            _unlock_line(file)


def _lock_line(file: int) -> bool:
    if msvcrt is not None:
        return _lock_on_windows(file, "LK_NBLCK")
    return _lock_byte(file, _LINE, fcntl.F_WRLCK) if _has_range_locks() else lock(file)


def _unlock_line(file: int) -> None:
    if msvcrt is not None:
        _lock_on_windows(file, "LK_UNLCK")
    elif _has_range_locks():
        _lock_byte(file, _LINE, fcntl.F_UNLCK)
    else:
        unlock(file)


def _lock_on_windows(file: int, what: str) -> bool:
    """False when somebody else holds the byte. Only the position is moved, and lines are added at the end anyway."""
    os.lseek(file, _LINE, os.SEEK_SET)
    try:
        getattr(msvcrt, "locking")(file, getattr(msvcrt, what), 1)  # noqa: B009
    except OSError:
        return False
    return True


def _has_range_locks() -> bool:
    return fcntl is not None and hasattr(fcntl, "F_OFD_SETLK")


def _lock_byte(file: int, at: int, kind: int) -> bool:
    """False when somebody else holds it; file systems that have no locks are taken at their word."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, at, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
