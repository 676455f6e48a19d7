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

from edgeseg.files.lock import HAS_LOCKS, is_still_there, lock, lock_strictly

MARK = ".unfinished"
OLD = ".old"
_NAME = re.compile(rf"\.(?P<target>.+)\.[a-z0-9_]{{8}}{re.escape(MARK)}(?P<old>{re.escape(OLD)})?(\.[^.]*)?")
_swept: set[Path] = set()


def is_unfinished(name: str, target: str) -> bool:
    """Tell whether a file of this name is ``target`` while it is written, or was by a run that died.

    >>> is_unfinished(".edgeseg.json.0a1b2c3d.unfinished.json", "edgeseg.json"), is_unfinished("a", "edgeseg.json")
    (True, False)
    """
    found = _NAME.fullmatch(name)
    return found is not None and found["target"] == target


@contextlib.contextmanager
def unfinished_file(target: Path, mode: int = 0o600) -> Iterator[Path]:
    """Give the name of an empty file beside ``target``, with its ending; it is gone when the block ends.

    Args:
        target: what the file is going to be called.
        mode: what others may do with it, less what the user's umask takes away.

    Raises:
        OSError: it cannot be made.
    """
    with _hold_temporary(target, mode, _make_file) as path:
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def unfinished_directory(target: Path, mode: int = 0o700) -> Iterator[Path]:
    """Give an empty folder beside ``target``; it is gone when the block ends.

    Args:
        target: what the folder is going to be called.
        mode: what others may do with it, less what the user's umask takes away.

    Raises:
        OSError: it cannot be made.
    """
    with _hold_temporary(target, mode, _make_directory) as path:
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
def _hold_temporary(target: Path, mode: int, make: Callable[[Path, int], tuple[Path, int | None]]) -> Iterator[Path]:
    """Give what ``make`` made beside ``target``, locked as long as the block lasts."""
    remove_leftovers(target.parent)
    with contextlib.suppress(FileNotFoundError):
        target.lstat()  # a name that the disk does not take is said now, not after the work
    with contextlib.ExitStack() as handles:
        while True:
            path, handle = make(target, mode)
            if handle is None:
                break
            handles.callback(os.close, handle)
            lock(handle, wait=True)
            if is_still_there(handle, path):
                break
        yield path


def _make_file(target: Path, mode: int) -> tuple[Path, int | None]:
    # The beginning of the name: the longest that a folder takes leaves no room for more.
    path = target.with_name(f".{target.name[:30]}.{_random_name()}{MARK}{target.suffix}")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    if HAS_LOCKS:
        return path, handle
    os.close(handle)  # Windows renames no file that is open
    return path, None


def _make_directory(target: Path, mode: int) -> tuple[Path, int | None]:
    path = target.with_name(f".{target.name}.{_random_name()}{MARK}")
    path.mkdir(mode)
    return path, os.open(path, os.O_RDONLY) if HAS_LOCKS else None


def _random_name() -> str:
    return os.urandom(4).hex()


def remove_leftovers(folder: Path) -> None:
    """Remove what dead runs left unfinished in ``folder``, and put back what one had only moved aside."""
    if not HAS_LOCKS or folder in _swept:  # without locks nothing is taken for a leftover
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
            if not lock_strictly(handle):
                return
            if is_old and not target.exists():
                path.rename(target)
            elif path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(handle)
