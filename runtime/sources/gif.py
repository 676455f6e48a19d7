"""Times of a GIF as browsers read them; what FFmpeg does with a picture that has none depends on what follows it.

A picture's time stands in a graphic control extension before it (GIF89a, section 23), in hundredths of a second. GIF87a
has none, and many a file says 0 or 1: browsers then show a picture for a tenth of a second.
"""

from __future__ import annotations

_EXTENSION, _IMAGE, _CONTROL = 0x21, 0x2C, 0xF9
_SHORTEST, _USUAL = 2, 10
_COLORS_FOLLOW, _COLORS = 0x80, 0x07


def with_times(data: bytes) -> bytes:
    """Give every picture of a GIF a time that browsers keep; the rest stays as it is, damage included.

    Args:
        data: of a GIF, whole or cut short.

    >>> with_times(b"no GIF")
    b'no GIF'
    """
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 13:
        return data
    out = bytearray(b"GIF89a") + data[6:13]
    at = 13 + _table_bytes(data[10])
    out += data[13:at]
    timed = False
    while at < len(data) and data[at] in (_EXTENSION, _IMAGE):
        is_image = data[at] == _IMAGE
        end = _end_of(data, at)
        if is_image and not timed:
            out += bytes([_EXTENSION, _CONTROL, 4, 0, _USUAL, 0, 0, 0])
        block = bytearray(data[at:end])
        if not is_image and block[1:3] == bytes([_CONTROL, 4]) and len(block) >= 8:
            timed = True
            if int.from_bytes(block[4:6], "little") < _SHORTEST:
                block[4:6] = _USUAL.to_bytes(2, "little")
        timed = timed and not is_image
        out += block
        at = end
    return bytes(out + data[at:])


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & _COLORS) + 1) if flags & _COLORS_FOLLOW else 0


def _end_of(data: bytes, at: int) -> int:
    """Where the block that begins at ``at`` ends, behind its chain of sub-blocks."""
    if data[at] == _IMAGE:
        flags = data[at + 9] if at + 9 < len(data) else 0
        at += 10 + _table_bytes(flags) + 1
    else:
        at += 2
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return min(at + 1, len(data))
