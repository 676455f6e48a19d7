"""Who is writing a file: a lock that ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def claim(path: Path) -> int:
    """Make a file that is not there yet, for writing, and hold it until it is closed.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    while True:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        _lock(file, wait=True)
        with contextlib.suppress(FileNotFoundError):  # whoever tidied up between the two calls took it for a leftover
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)


@contextlib.contextmanager
def find_unclaimed(path: Path) -> Iterator[bool]:
    """Tell whether nobody writes the file; if so nobody begins to as long as the block lasts."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield _lock(file, wait=False)
    finally:
        os.close(file)


def _lock(file: int, wait: bool) -> bool:
    """False when somebody else holds it; file systems that have no locks are taken at their word."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
