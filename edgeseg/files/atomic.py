"""Writing files whole or not at all, and their digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeseg.errors import EdgesegError, OutputError
from edgeseg.files.lock import held
from edgeseg.files.unfinished import OLD, unfinished_directory, unfinished_file

_ROOM = 1 << 16
_SYNCED_AS = "r+b" if os.name == "nt" else "rb"
"""Windows brings to the disk only what is open for writing; elsewhere a file that was made read-only can be, too."""

TEMPORARY_ADDS_BYTES = 20
"""What the name of a file that is being written has beside its own: two dots, eight letters, the ending again."""


def file_sha256(path: Path) -> str:
    """Compute the hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(stream)


def _digest(stream: object) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):  # type: ignore[attr-defined]
        digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Translate what goes wrong while ``target`` is written into an :class:`OutputError`.

    A full disk is one sentence, whatever the library that met it makes of it: OpenVINO says "basic_ios::clear".
    """
    try:
        yield
    except EdgesegError:
        raise
    except OSError as error:
        raise output_error(target, _full(target.parent) or error) from error
    except Exception as error:
        if (full := _full(target.parent)) is not None:
            raise output_error(target, full) from error
        raise


def _full(folder: Path) -> OSError | None:
    """The error of a disk that takes no more; None where it does."""
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(_ROOM))
            stream.flush()
    except OSError as error:
        return error if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
    return None


def output_error(target: Path, error: OSError) -> OutputError:
    """Translate an OS error met while writing ``target`` to a sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk is full: {target} was not written. Free some space and run again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"No permission to write {target}. Choose another output folder.")
    return OutputError(f"Cannot write {target}: {error.strerror or error}. Choose another output path.")


@contextlib.contextmanager
def atomic_file(target: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give a temporary path beside ``target``; rename it there when the block ends well.

    Args:
        target: the file; folders above it are made.
        mode: what others may do with it, less what the user's umask takes away.

    Raises:
        OutputError: the folder cannot be written or the disk is full. Nothing is left behind.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        # One inside the other: what filled the disk is still there while it is asked about.
        with unfinished_file(target, mode) as staged, writing(target):
            yield staged
            _sync(staged)
            staged.replace(target)


@contextlib.contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Give a temporary directory beside ``target``; put it in target's place when the block ends well.

    An existing target is replaced only then; when the block fails it stays as it was.

    Raises:
        OutputError: the target is a file, the folder cannot be written, or the disk is full. Nothing
            is left behind.
    """
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file and a folder is to be written there. Choose another output path.")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        # One inside the other: what filled the disk is still there while it is asked about.
        with unfinished_directory(target, 0o777) as staged, writing(target):
            yield staged
            for path in staged.iterdir():
                _sync(path)
            _swap(staged, target)


def check_writable(folder: Path) -> None:
    """Find out before the work whether files can be made in ``folder``, which need not exist yet.

    Raises:
        OutputError: no permission, a full disk, or a file where a folder is needed.
    """
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, but a folder is needed there. Choose another output path.")
    with writing(folder), tempfile.TemporaryFile(dir=folder):
        pass


def _swap(staged: Path, target: Path) -> None:
    if not target.exists():
        staged.rename(target)
        return
    old = staged.with_name(staged.name + OLD)
    with held(target):  # so that nobody takes the old one for a leftover meanwhile
        target.rename(old)
        try:
            staged.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open(_SYNCED_AS) as stream:
        os.fsync(stream.fileno())
