"""Lines added to a file, each of them whole, whoever else adds to it, moves it away or cuts it short."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from edgeseg.errors import OutputError
from edgeseg.files.atomic import writing
from edgeseg.runtime.sinks.lines.lock import claim_use, line_lock
from edgeseg.runtime.sinks.lines.pieces import Pieces

_TRIES = 50


class LineFile:
    """Appends lines, each in one write under a lock.

    A file that was moved or deleted is left and one of its name begun; one that was cut short (``copytruncate``) goes
    on at its new end. A line that a killed process left half written is ended first.

    Args:
        path: the file; made with its folder when the first line comes.
        pieces: says when a file is full, and puts it aside.
        anew: begin with an empty file, which no other run may be writing.

    Raises:
        OutputError: from :meth:`write`, when the disk is full or anything else prevents writing. What was written of
            the line is taken back.
    """

    def __init__(self, path: Path, pieces: Pieces, anew: bool = False) -> None:
        self._path = path
        self._pieces = pieces
        self._alone = self._empty_it = anew
        self._file: int | None = None
        self._closed = False
        self._inode = (0, 0)

    def write(self, line: bytes) -> None:
        """Append ``line``, which ends with a newline."""
        if self._closed:
            raise OutputError(f"{self._path} is closed; open it again to write more lines.")
        with writing(self._path):
            try:
                for tries_left in reversed(range(_TRIES)):
                    if self._write(line, whatever=not tries_left):
                        return
            except OSError:
                self._let_go()
                raise

    def close(self) -> None:
        """Let the file go for good; a second call does nothing."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: bytes, whatever: bool) -> bool:
        """False when another file is to be opened for the line.

        Args:
            whatever: True to take the file that is open, even though it is moved again and again.
        """
        file = self._open()
        with line_lock(file):
            size = os.fstat(file).st_size
            if whatever or (self._has_its_name() and not self._pieces.is_full(size, len(line))):
                _append(file, size, line)
                return True
            is_full = self._has_its_name()
            if is_full and os.name != "nt":
                self._pieces.put_aside()
        self._let_go()
        if is_full and os.name == "nt":  # Windows renames no file that is open
            self._pieces.put_aside()
        return False

    def _open(self) -> int:
        if self._file is not None:
            return self._file
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = file = os.open(self._path, flags, 0o666)
        if not claim_use(file, self._alone):
            self._let_go()
            raise OutputError(f"{self._path} is being written by another run. Choose another output path.")
        if self._empty_it:
            os.ftruncate(file, 0)
            self._empty_it = False
        status = os.fstat(file)
        self._inode = (status.st_dev, status.st_ino)
        self._pieces.begin(status.st_size)
        return file

    def _has_its_name(self) -> bool:
        try:
            status = os.stat(self._path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._inode


def _append(file: int, size: int, line: bytes) -> None:
    """Add ``line`` to the ``size`` bytes that are there, or nothing."""
    if size and not _ends_a_line(file):
        line = b"\n" + line
    written = 0
    try:
        while written < len(line):
            written += os.write(file, line[written:])
    except OSError:
        with contextlib.suppress(OSError):
            if written and os.fstat(file).st_size == size + written:
                os.ftruncate(file, size)
        raise


def _ends_a_line(file: int) -> bool:
    os.lseek(file, -1, os.SEEK_END)
    return os.read(file, 1) in (b"\n", b"")
