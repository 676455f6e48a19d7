"""Image files as bytes: what decoders let pass is refused here, before they see it.

OpenCV fills the missing part of a truncated JPEG with grey and says nothing, so files are checked
for their end markers and checksums first (JPEG: ITU-T T.81, PNG: ISO/IEC 15948).
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from edgeseg.errors import DataError

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_GREY, _PNG_PALETTE = 0, 3


def checked_bytes(path: Path) -> bytes:
    """Bytes of an image file that is whole, as far as its container tells.

    Raises:
        DataError: missing, empty, a truncated JPEG or PNG, or a PNG with a wrong checksum or header.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
    if not data:
        raise DataError(f"{path} is empty (0 bytes). Copy it again from its source.")
    if data[:2] == _JPEG_START:
        _check_jpeg_end(data, path)
    elif data[:8] == _PNG_START:
        _check_png_chunks(data, path)
    return data


def _check_jpeg_end(data: bytes, path: Path) -> None:
    """Refuse a JPEG whose scan never ends: decoders fill the missing part with grey."""
    scan = _jpeg_scan_start(data)
    if data.find(_JPEG_END, scan) < 0:
        raise DataError(f"{path} is a truncated JPEG (no end marker in {len(data)} bytes). Copy it again.")


def _jpeg_scan_start(data: bytes) -> int:
    """Offset of the first start-of-scan segment, past thumbnails inside APP segments."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker == _JPEG_SCAN:
            return at
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker in (0x00, 0x01):
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return len(data)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes, bool]]:
    """(type, body, whole) of each chunk, as far as the bytes go; whole says that the CRC holds."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 8 : at + 8 + length]
        crc = data[at + 8 + length : at + 12 + length]
        whole = len(crc) == 4 and zlib.crc32(data[at + 4 : at + 8] + body) == int.from_bytes(crc, "big")
        chunks.append((data[at + 4 : at + 8], body, whole))
        at += 12 + length
        if chunks[-1][0] == b"IEND":
            break
    return chunks


def _check_png_chunks(data: bytes, path: Path) -> None:
    chunks = _png_chunks(data)
    if not chunks or chunks[-1][0] != b"IEND":
        raise DataError(f"{path} is a truncated PNG (no IEND chunk in {len(data)} bytes). Copy it again.")
    critical = [kind for kind, _, whole in chunks if not whole and kind[:1].isupper()]
    if critical:
        raise DataError(f"{path} is a damaged PNG (checksum of its {critical[0].decode('latin1')} chunk fails).")
    name, header, _ = chunks[0]
    if name != b"IHDR" or len(header) != 13 or header[8] not in _PNG_DEPTHS.get(header[9], ()):
        raise DataError(f"{path} is a damaged PNG: its header names no known pixel type. Copy it again.")


def keeps_depth(data: bytes) -> bool:
    """Whether a decoder may keep more than 8 bits; OpenCV 5 widens some 8-bit PNGs when asked always."""
    return data[:8] != _PNG_START or data[24] == 16


def grey_png_of_indices(data: bytes) -> tuple[int, bytes] | None:
    """A palette or low-bit PNG as a grey one of the same numbers, and the step its decoder scales them by.

    OpenCV turns palette indices into colours, which cannot be undone when two entries share one, and
    stretches 1, 2 and 4 bits to 0..255. Without its palette the same pixel data is a plain grey PNG.
    """
    if data[:8] != _PNG_START:
        return None
    depth, kind = data[24], data[25]
    if not (kind == _PNG_PALETTE or (kind == _PNG_GREY and depth < 8)):
        return None
    header = data[16:25] + b"\0" + data[26:29]
    pixels = b"".join(_png_chunk(name, body) for name, body, _ in _png_chunks(data) if name == b"IDAT")
    return 255 // (2**depth - 1), data[:8] + _png_chunk(b"IHDR", header) + pixels + _png_chunk(b"IEND", b"")


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
