"""Temporary files and folders that are held by a lock, so that those of a dead run are told from those of a living one.

A lock ends with its process, however that ends: a name that is there and not locked belongs to nobody. Whoever makes a
temporary in a folder removes the leftovers there first, once a process and folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no lock on a folder, so nothing is taken for a leftover
    fcntl = None  # type: ignore[assignment]

MARK = ".unfinished"
OLD = ".old"
_NAME = re.compile(rf"\.(?P<target>.+)\.[a-z0-9_]{{8}}{re.escape(MARK)}(?P<old>{re.escape(OLD)})?(\.[^.]*)?")
_swept: set[Path] = set()


@contextlib.contextmanager
def unfinished_file(target: Path) -> Iterator[Path]:
    """Give the name of an empty file beside ``target``, with its ending; it is gone when the block ends.

    Raises:
        OSError: it cannot be made.
    """
    with _hold_temporary(target, _make_file) as path:
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def unfinished_directory(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target``; it is gone when the block ends.

    Raises:
        OSError: it cannot be made.
    """
    with _hold_temporary(target, _make_directory) as path:
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """Give an empty folder among the system's temporary ones; it is gone when the block ends.

    Raises:
        OSError: it cannot be made.
    """
    with unfinished_directory(Path(tempfile.gettempdir(), "edgeseg")) as path:
        yield path


@contextlib.contextmanager
def _hold_temporary(target: Path, make: Callable[[Path], tuple[Path, int | None]]) -> Iterator[Path]:
    """Give what ``make`` made beside ``target``, locked as long as the block lasts."""
    remove_leftovers(target.parent)
    with contextlib.suppress(FileNotFoundError):
        target.lstat()  # a name that the disk does not take is said now, not after the work
    with contextlib.ExitStack() as handles:
        while True:
            path, handle = make(target)
            if handle is None:
                break
            handles.callback(os.close, handle)
            if _hold(handle, path):
                break
        yield path


def _make_file(target: Path) -> tuple[Path, int | None]:
    # The beginning of the name: the longest that a folder takes leaves no room for more.
    handle, name = tempfile.mkstemp(f"{MARK}{target.suffix}", f".{target.name[:30]}.", target.parent)
    return Path(name), handle


def _make_directory(target: Path) -> tuple[Path, int | None]:
    path = Path(tempfile.mkdtemp(MARK, f".{target.name}.", target.parent))
    return path, None if fcntl is None else os.open(path, os.O_RDONLY)


def remove_leftovers(folder: Path) -> None:
    """Remove what dead runs left unfinished in ``folder``, and put back what one had only moved aside."""
    if fcntl is None or folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if (found := _NAME.fullmatch(entry.name)) is not None and not entry.is_symlink():
                _remove_leftover(Path(entry.path), folder / found["target"], found["old"] is not None)


def _remove_leftover(path: Path, target: Path, is_old: bool) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if os.fstat(handle).st_uid != os.geteuid():
                return
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_old and not target.exists():
                path.rename(target)
            elif path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(handle)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Lock a folder; gives False when another process holds it. Where there are no locks nobody does."""
    if fcntl is None:
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _is_mine(handle)
    finally:
        os.close(handle)


def _is_mine(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _hold(handle: int, path: Path) -> bool:
    """Lock what was just made; False when somebody took it for a leftover in between, and removed it."""
    if fcntl is None:
        return True
    with contextlib.suppress(OSError):  # a file system without locks, where nobody removes anything either
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
