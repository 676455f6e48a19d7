"""Image files as bytes: what decoders let pass is refused here, before they see it.

OpenCV fills the missing part of a truncated JPEG with grey and says nothing, so files are checked
for their end markers and checksums first (JPEG: ITU-T T.81, PNG: ISO/IEC 15948, WebP: RFC 9649). Of a file with
several pictures it gives the first one. Which containers apply an EXIF orientation depends on its version, so the
orientation is read here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import DataError
from edgeseg.files.input_file import read_bytes
from edgeseg.files.tiff import SeveralPicturesError, exif_orientation, prepare_tiff
from edgeseg.files.tiff_page import is_tiff

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".tif", ".tiff", ".webp"})
_PHONE = {".heic", ".heif", ".hif", ".avif", ".gif", ".jxl", ".jp2", ".j2k"}
_SCIENCE = {".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".exr", ".hdr", ".tga", ".psd", ".dcm", ".nii", ".npy"}
_RAW = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"}
UNREAD_SUFFIXES = frozenset(_PHONE | _SCIENCE | _RAW)
MAX_IMAGE_BYTES = 1 << 30

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_JPEG_APP1, _JPEG_FRAMES = 0xE1, frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WEBP_HAS_EXIF = 0x08
_BMP_START = b"BM"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_GREY, _PNG_PALETTE = 0, 3


@dataclass(frozen=True)
class Picture:
    """The one picture of an image file, as files for a decoder that looks at nothing but pixels.

    Attributes:
        parts: one file with all channels, or one a channel, in the order R, G, B.
        orientation: EXIF orientation, 1..8, still to be applied.
        deep: the decoder may keep more than 8 bits.
        negative: the values are still to be turned over.
        step: what the decoder multiplies stored numbers by, where those were asked for.
    """

    parts: tuple[bytes, ...]
    orientation: int = 1
    deep: bool = False
    negative: bool = False
    step: int = 1


def open_picture(path: Path, as_indices: bool = False) -> Picture:
    """Read an image file that is whole, as far as its container tells, and holds one picture.

    Args:
        path: the file.
        as_indices: stored numbers are wanted, not the colours or the brightness that they stand for.

    Raises:
        SeveralPicturesError: an animation, or a TIFF of several pages.
        DataError: missing, empty, truncated, damaged, or a container that is not read.
    """
    data = read_bytes(path, MAX_IMAGE_BYTES)
    if not data:
        raise DataError(f"{path} is empty (0 bytes). Copy it again from its source.")
    return picture_in(data, path, as_indices)


def picture_in(data: bytes, path: Path, as_indices: bool = False, number: int | None = None) -> Picture:
    """Decode the bytes of an image file, see :func:`open_picture`; of a TIFF, page ``number``."""
    if data[:2] == _JPEG_START:
        return _jpeg(data, path)
    if data[:8] == _PNG_START:
        return _png(data, path, as_indices)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data, path)
    if is_tiff(data):
        tiff = prepare_tiff(data, path, as_indices, number)
        step = 255 // (2**tiff.bits - 1) if as_indices and tiff.bits < 8 else 1
        return Picture(tiff.parts, tiff.orientation, tiff.bits > 8, tiff.negative, step)
    if data[:2] == _BMP_START:
        if as_indices:
            _check_bmp_palette(data, path)
        return Picture((data,))
    raise DataError(_about_another_kind(data, path))


def _about_another_kind(data: bytes, path: Path) -> str:
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    kinds = {
        "a GIF picture": data[:4] == b"GIF8",
        "an AVIF picture": brand in (b"avif", b"avis"),
        "a HEIF picture (HEIC)": brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"hevx"),
        "a JPEG 2000 picture": data[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or data[:4] == b"\xff\x4f\xff\x51",
        "a JPEG XL picture": data[:2] == b"\xff\x0a" or data[:12] == b"\0\0\0\x0cJXL \r\n\x87\n",
        "a Photoshop picture": data[:4] == b"8BPS",
        "an OpenEXR picture": data[:4] == b"\x76\x2f\x31\x01",
    }
    kind = next((kind for kind, holds in kinds.items() if holds), None)
    if kind is None:
        return f"{path} is not a readable image ({len(data)} bytes); see if a viewer opens it."
    return f"{path} is {kind}; JPEG, PNG, BMP, TIFF and WebP are read. Convert it to PNG."


def _jpeg(data: bytes, path: Path) -> Picture:
    """Refuse a JPEG whose scan never ends: decoders fill the missing part with grey."""
    orientation, at = 1, 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker == _JPEG_SCAN:
            break
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker in (0x00, 0x01):
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _JPEG_APP1 and data[at + 4 : at + 10] == b"Exif\0\0" and orientation == 1:
            orientation = exif_orientation(data[at + 4 : end])
        if marker in _JPEG_FRAMES and data[at + 4 : at + 5] not in (b"\x08", b""):
            raise DataError(f"{path} is a JPEG of {data[at + 4]} bits; 8 are read. Convert it to PNG.")
        at = end
    if data.find(_JPEG_END, at) < 0:
        raise DataError(f"{path} is a truncated JPEG (no end marker in {len(data)} bytes). Copy it again.")
    return Picture((data,), orientation)


def _webp(data: bytes, path: Path) -> Picture:
    size = int.from_bytes(data[4:8], "little") + 8
    if size > len(data):
        raise DataError(f"{path} is a truncated WebP ({len(data)} of {size} bytes). Copy it again.")
    chunks = list(_webp_chunks(data, size))
    if (pictures := sum(name == b"ANMF" for name, _ in chunks)) > 1:
        raise SeveralPicturesError(path, pictures, data)
    extended = chunks[0][1] if chunks and chunks[0][0] == b"VP8X" else b"\0"
    exif = next((body for name, body in chunks if name == b"EXIF"), b"") if extended[0] & _WEBP_HAS_EXIF else b""
    return Picture((data,), exif_orientation(exif))


def _webp_chunks(data: bytes, size: int) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= size:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _png(data: bytes, path: Path, as_indices: bool) -> Picture:
    chunks = _png_chunks(data)
    _check_png_chunks(chunks, len(data), path)
    pictures = next((int.from_bytes(body[:4], "big") for name, body, _ in chunks if name == b"acTL"), 1)
    if pictures > 1:
        raise SeveralPicturesError(path, pictures, data)
    exif = next((body for name, body, whole in chunks if name == b"eXIf" and whole), b"")
    depth, kind = data[24], data[25]
    step, keep = 1, [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    if as_indices and (kind == _PNG_PALETTE or (kind == _PNG_GREY and depth < 8)):
        # Without its palette the same pixel data is a plain grey PNG, whose low bits are stretched to 0..255.
        keep.remove(b"PLTE")
        chunks[0] = (b"IHDR", data[16:25] + b"\0" + data[26:29], True)
        step = 255 // (2**depth - 1)
    # Gamma, profiles and the transparent colour are left out: pixels are their stored numbers in every version.
    bare = data[:8] + b"".join(_png_chunk(name, body) for name, body, _ in chunks if name in keep)
    return Picture((bare,), exif_orientation(exif), deep=depth == 16, step=step)


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


def _check_png_chunks(chunks: Sequence[tuple[bytes, bytes, bool]], size: int, path: Path) -> None:
    if not chunks or chunks[-1][0] != b"IEND":
        raise DataError(f"{path} is a truncated PNG (no IEND chunk in {size} bytes). Copy it again.")
    critical = [kind for kind, _, whole in chunks if not whole and kind[:1].isupper()]
    if critical:
        raise DataError(f"{path} is a damaged PNG (checksum of its {critical[0].decode('latin1')} chunk fails).")
    name, header, _ = chunks[0]
    if name != b"IHDR" or len(header) != 13 or header[8] not in _PNG_DEPTHS.get(header[9], ()):
        raise DataError(f"{path} is a damaged PNG: its header names no known pixel type. Copy it again.")


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _check_bmp_palette(data: bytes, path: Path) -> None:
    """Refuse a mask in a BMP whose palette is more than grey levels: decoders give its colours, not its indices."""
    header = int.from_bytes(data[14:18], "little")
    depth = int.from_bytes(data[24:26] if header == 12 else data[28:30], "little")
    if depth > 8:
        return
    entry = 3 if header == 12 else 4
    start = int.from_bytes(data[10:14], "little")
    palette = data[14 + header : start]
    grey = all(set(palette[at : at + 3]) <= {at // entry} for at in range(0, len(palette), entry))
    if depth < 8 or not grey:
        raise DataError(
            f"Mask {path} is a BMP with a palette of {depth} bits, whose indices cannot be had. Save it as PNG."
        )
