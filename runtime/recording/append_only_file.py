"""The bytes of one recording on their way to the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgeseg.files.lock import claim


class NoRoom(OSError):
    """As many bytes as may be kept are there, and none of them can be deleted; the text is the whole sentence."""


class RecordingFile:
    """A file that a muxer writes and that plays at any moment.

    Only appending reaches the disk while the recording grows; what a muxer goes back to (lengths in the header)
    waits until :meth:`finish`. After the first error nothing more is written, so that the end that a muxer
    writes when it is closed cannot damage what is there. The file is locked as long as this process lives.

    Args:
        path: must not exist.
        room: called with the size the file is about to have; may raise OSError.

    Attributes:
        size: bytes on the disk.
        error: what went wrong first.
    """

    def __init__(self, path: Path, room: Callable[[int], object]) -> None:
        self.size = 0
        self.error: OSError | None = None
        self._room = room
        self._whole = 0
        self._is_closed = False
        self._position = self._end = 0
        self._patches: list[tuple[int, bytes]] = []
        self._file = claim(path)

    def write(self, data: bytes) -> int:
        """Take bytes at the current position; what fails is kept in ``error``."""
        start, self._position = self._position, self._position + len(data)
        inside = max(0, min(len(data), self._end - start))
        if inside:
            self._patches.append((start, data[:inside]))
        if inside < len(data):
            self._append(data[inside:])
            self._end = self._position
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, as ``io.RawIOBase.seek`` does; nothing on the disk moves."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def mark_whole(self) -> None:
        """Note that what was written so far plays."""
        if self.error is None:
            self._whole = self.size

    def finish(self) -> None:
        """Put what waits in its place and close; after an error cut off what does not play instead."""
        if self.error is None:
            self._try(self._apply_patches)
        if self.error is not None:
            self.abandon()
        self._close()

    def abandon(self) -> None:
        """Close with what plays; what a muxer writes later is not taken."""
        if not self._is_closed:
            self._try(lambda: os.ftruncate(self._file, self._whole))
            self.size = self._whole
            self._close()

    def _append(self, data: bytes) -> None:
        def grow() -> None:
            self._room(self.size + len(data))
            _write_all(self._file, data)
            self.size += len(data)

        if self.error is None and not self._is_closed:
            self._try(grow)

    def _apply_patches(self) -> None:
        for start, data in self._patches:
            os.lseek(self._file, start, os.SEEK_SET)
            _write_all(self._file, data)

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            os.close(self._file)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.error = self.error or error


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
