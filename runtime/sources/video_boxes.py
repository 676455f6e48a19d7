"""Whether the boxes of an MP4 or MOV file, or the RIFF of an AVI file, are longer than the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from edgeseg.errors import SourceError
from edgeseg.files.input_file import open_regular

_MOST_BOXES = 100_000


def ends_inside_a_box(path: Path) -> bool:
    """Tell whether a video file ends before the box it is in (ISO/IEC 14496-12, RIFF); False for other containers."""
    with open_regular(path, SourceError) as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"AVI ":
            # A recording that was never finished says 0.
            return int.from_bytes(head[4:8], "little") + 8 > size
        return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip") and _ends_inside(stream, size)


def _ends_inside(stream: BinaryIO, size: int) -> bool:
    at = 0
    for _ in range(_MOST_BOXES):
        if at >= size:
            return at > size
        stream.seek(at)
        head = stream.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return len(head) < 8  # 0: up to the end of the file
        at += length
    return False
