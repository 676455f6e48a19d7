"""Who is using a file: locks that end with the process, however that ends.

Systems and file systems that have no locks are taken at their word: nobody else uses the file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None


def lock_strictly(file: int, wait: bool = False) -> bool:
    """Lock an open file or folder until it is closed; False when somebody else holds it.

    Raises:
        OSError: its file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def lock(file: int, wait: bool = False) -> bool:
    """Do the same, where True may also mean that there are no locks."""
    if HAS_LOCKS:
        with contextlib.suppress(OSError):
            return lock_strictly(file, wait)
    return True


def unlock(file: int) -> None:
    """Give back what :func:`lock` took, before the file is closed."""
    if HAS_LOCKS:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)


def claim(path: Path, mode: int = 0o666) -> int:
    """Make a file that is not there yet, for writing, and hold it until it is closed.

    Args:
        path: the file.
        mode: what others may do with it, less what the user's umask takes away.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    while True:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        lock(file, wait=True)
        if is_still_there(file, path):
            return file
        os.close(file)


def is_still_there(file: int, path: Path) -> bool:
    """Tell whether an open file is still called so; whoever tidies up may have taken it for a leftover."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def find_unclaimed(path: Path) -> Iterator[bool]:
    """Tell whether nobody writes the file; if so nobody begins to as long as the block lasts."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield lock(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def held(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Lock a folder; gives False when another process holds it. Where there are no locks nobody does.

    Args:
        folder: one that is there.
        wait: for whoever holds it.
    """
    if not HAS_LOCKS:  # Windows, which opens no folder
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield lock(handle, wait)
    finally:
        os.close(handle)


@contextlib.contextmanager
def hold_alone(path: Path) -> Iterator[None]:
    """Hold a file that is there for nothing else than its lock; waits for whoever holds it.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("ab") as stream:
        if HAS_LOCKS:
            lock(stream.fileno(), wait=True)
        else:
            import msvcrt

            getattr(msvcrt, "locking")(stream.fileno(), getattr(msvcrt, "LK_LOCK"), 1)  # noqa: B009
        yield
