"""How large a picture is, from the first bytes of its file: nothing is decoded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from edgeseg.files.input_file import open_regular
from edgeseg.files.tiff import exif_orientation

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_MOST_SEGMENTS = 4096


def peek_size(path: Path) -> tuple[int, int] | None:
    """Return height and width of a JPEG or PNG file, upright by its EXIF orientation; None where its header has none.

    A JPEG or PNG that is not whole may have a size all the same; a file of another kind gives None.

    Raises:
        DataError: not there, or no regular file.
    """
    with open_regular(path) as stream:
        try:
            start = stream.read(8)
            if start[:2] == b"\xff\xd8":
                stream.seek(2)
                return _jpeg_size(stream)
            return _png_size(stream) if start == b"\x89PNG\r\n\x1a\n" else None
        except (OSError, ValueError):
            return None


def _jpeg_size(stream: BinaryIO) -> tuple[int, int] | None:
    orientation, size = 1, None
    for _ in range(_MOST_SEGMENTS):
        marker = _next_marker(stream)
        if marker is None or marker == 0xDA:
            break
        if marker in _ALONE:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        if marker == 0xE1 and orientation == 1:
            body = stream.read(length)
            orientation = exif_orientation(body) if body[:6] == b"Exif\0\0" else 1
        elif marker in _JPEG_FRAMES and size is None:
            frame = stream.read(length)
            size = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
        else:
            stream.seek(max(0, length), os.SEEK_CUR)
    return _upright(size, orientation)


def _next_marker(stream: BinaryIO) -> int | None:
    byte = stream.read(1)
    while byte and byte != b"\xff":
        byte = stream.read(1)
    while byte == b"\xff":
        byte = stream.read(1)
    return byte[0] if byte else None


def _png_size(stream: BinaryIO) -> tuple[int, int] | None:
    orientation, size = 1, None
    for _ in range(_MOST_SEGMENTS):
        header = stream.read(8)
        length = int.from_bytes(header[:4], "big")
        if len(header) < 8 or header[4:] == b"IEND":
            break
        if header[4:] == b"IHDR":
            body = stream.read(length)
            size = int.from_bytes(body[4:8], "big"), int.from_bytes(body[:4], "big")
            stream.seek(4, os.SEEK_CUR)
        elif header[4:] == b"eXIf":
            orientation = exif_orientation(stream.read(length))
            stream.seek(4, os.SEEK_CUR)
        else:
            stream.seek(length + 4, os.SEEK_CUR)
    return _upright(size, orientation)


def _upright(size: tuple[int, int] | None, orientation: int) -> tuple[int, int] | None:
    if size is None or 0 in size:
        return None
    return size[::-1] if orientation in (5, 6, 7, 8) else size
