"""One mask on disk: put there whole, never over a file of somebody else, and marked as made here."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from edgeseg.files.unfinished import unfinished_file

_HEADER_END = 33
"""After the signature (8 bytes) and the chunk IHDR (25)."""
_MARK = b"edgeseg\0mask "
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


def mark_origin(png: bytes, origin: str) -> bytes:
    """Add to ``png`` a text chunk that says who made it, and from what."""
    text = _MARK + origin.encode()
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    return png[:_HEADER_END] + chunk + png[_HEADER_END:]


def origin_in(path: Path) -> str | None:
    """Read what :func:`mark_origin` said the mask was made from; None for every other file."""
    try:
        with path.open("rb") as stream:
            head = stream.read(256)
    except OSError:
        return None
    length = int.from_bytes(head[_HEADER_END : _HEADER_END + 4], "big")
    chunk = head[_HEADER_END + 4 : _HEADER_END + 8 + length]
    mark = b"tEXt" + _MARK
    return chunk[len(mark) :].decode("ascii", "replace") if chunk.startswith(mark) else None


def create(target: Path, data: bytes) -> bool:
    """Make ``target`` whole, with nothing of that name there before; False if something is.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    if os.path.lexists(target):
        return False
    with _stage(target, data) as staged:
        try:
            os.link(staged, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _claim_and_replace(staged, target)
    return True


def replace(target: Path, data: bytes) -> None:
    """Put ``data`` in the place of ``target``."""
    with _stage(target, data) as staged:
        staged.replace(target)


def longest_name_bytes(folder: Path) -> int:
    """Find how long a name in ``folder`` may be."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return 255


def shorten(stem: str, room_bytes: int) -> str:
    """Return ``stem``, or its beginning and a digest of the whole where it has more than ``room_bytes`` bytes.

    >>> shorten("a" * 300, 20)
    'aaaaaaaaaaa~9835fa6b'
    """
    data = os.fsencode(stem)
    if len(data) <= room_bytes:
        return stem
    end = room_bytes - 9
    while end and data[end] & 0xC0 == 0x80:  # not inside a character
        end -= 1
    return f"{os.fsdecode(data[:end])}~{hashlib.sha256(data).hexdigest()[:8]}"


@contextlib.contextmanager
def _stage(target: Path, data: bytes) -> Iterator[Path]:
    with unfinished_file(target.with_suffix(""), 0o666) as staged:  # without its ending, by which masks are counted
        staged.write_bytes(data)
        yield staged


def _claim_and_replace(staged: Path, target: Path) -> bool:
    """For file systems without hard links."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    staged.replace(target)
    return True
