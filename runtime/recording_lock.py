"""Who is writing a file: a lock that ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(file: int) -> None:
    """Hold ``file`` until it is closed; file systems without locks are left alone.

    Raises:
        BlockingIOError: another process, or another open file of this one, holds it.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass


def is_held(path: Path) -> bool:
    """True while somebody writes the file, or where it cannot be found out."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return True
    try:
        lock(file)
    except BlockingIOError:
        return True
    finally:
        with contextlib.suppress(OSError):
            os.close(file)
    return False
