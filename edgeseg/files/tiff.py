"""TIFF files (TIFF 6.0, BigTIFF) so prepared that OpenCV gives their numbers; what it would give wrong is refused.

Measured against tifffile, OpenCV 5.0 gives noise for 16-bit colour in separate planes, leaves 16-bit white-is-zero
pictures negative, multiplies colours by their alpha, and shows compressions that it cannot read as black. The tags
are therefore read here first, and changed where that helps.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import DataError
from edgeseg.files.tiff_page import TiffPage, read_pages

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
ORIENTATION, _SAMPLES, _STRIP_ROWS, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 274, 277, 278, 284, 317, 322, 323
_EXTRA_SAMPLES, _SAMPLE_FORMAT = 338, 339
_SHAPE = (_WIDTH, _HEIGHT, _COMPRESSION, _STRIP_ROWS, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_DEPTHS = {
    _WHITE_IS_ZERO: (1, 8, 16),
    _BLACK_IS_ZERO: (1, 8, 10, 12, 14, 16),
    _RGB: (8, 10, 12, 14, 16),
    _PALETTE: (1, 4, 8),
    CMYK: (8,),
    _YCBCR: (8,),
}
_COLOURS = {_RGB: 3, CMYK: 4, _YCBCR: 3}
_KNOWN_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
_OTHER_COMPRESSIONS = {
    6: "old-style JPEG",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    34933: "PNG",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_FORMATS = {2: "signed", 3: "float", 5: "complex", 6: "complex"}


class SeveralPicturesError(DataError):
    """A file of several pictures where one is wanted.

    Attributes:
        count: how many.
        data: the file.
    """

    def __init__(self, path: Path, count: int, data: bytes) -> None:
        super().__init__(f"{path} holds {count} pictures; an image is one. Save them as files of their own.")
        self.count, self.data = count, data


@dataclass(frozen=True)
class TiffPicture:
    """A TIFF picture as files for OpenCV.

    Attributes:
        parts: one file with all channels, or one a channel, in the order R, G, B.
        orientation: EXIF orientation, 1..8; the parts themselves say 1.
        negative: white is zero, and the values are still to be turned over.
        bits: of a channel.
    """

    parts: tuple[bytes, ...]
    orientation: int
    negative: bool
    bits: int


def exif_orientation(block: bytes) -> int:
    """Read the orientation (1..8) of an EXIF block, with or without its ``Exif`` prefix; 1 where it tells none."""
    block = block.removeprefix(b"Exif\0\0")
    try:
        return _orientation(next(read_pages(block)))
    except (struct.error, ValueError, StopIteration):
        return 1


def prepare_tiff(data: bytes, path: Path, as_indices: bool = False, number: int | None = None) -> TiffPicture:
    """Check a picture in a TIFF, and bring it into a form that OpenCV reads right.

    Args:
        data: the file.
        path: for messages.
        as_indices: stored numbers are wanted, not the colours or the brightness that they stand for.
        number: which page, from 0; None for the only one. Thumbnails do not count.

    Raises:
        SeveralPicturesError: there are several, and no number was given.
        DataError: missing bytes, or pixels of a kind that is not read.
    """
    try:
        pages = [page for page in read_pages(data) if not page.first(_SUBFILE, 0) & 0b101]
        if len(pages) > 1 and number is None:
            raise SeveralPicturesError(path, len(pages), data)
        if not pages:
            raise ValueError("no picture in it")
        return _prepare(pages[number or 0], path, as_indices)
    except struct.error:
        raise DataError(
            f"{path} is a damaged or truncated TIFF: its tables point beyond its end. Copy it again."
        ) from None
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path} is a damaged or truncated TIFF ({error}). Copy it again from its source.") from None


def _prepare(page: TiffPage, path: Path, as_indices: bool) -> TiffPicture:
    photometric = page.first(PHOTOMETRIC, -1)
    bits = _depth(page, _BLACK_IS_ZERO if as_indices and photometric == _PALETTE else photometric, path)
    _check_compression(page.first(_COMPRESSION, 1), path)
    page.check_whole()
    orientation = _orientation(page)
    changes = {ORIENTATION: 1}
    negative = photometric == _WHITE_IS_ZERO and bits == 16
    if negative or (as_indices and photometric in (_WHITE_IS_ZERO, _PALETTE)):
        changes[PHOTOMETRIC] = _BLACK_IS_ZERO
    samples = page.first(_SAMPLES, 1)
    if samples > _COLOURS.get(photometric, 1):
        changes[_EXTRA_SAMPLES] = 1  # alpha that is in the colours already: OpenCV leaves them as they are
    if bits > 8 and samples > 1 and page.first(_PLANAR, 1) == 2:
        parts = tuple(_planes(page, _COLOURS.get(photometric, 1), samples))
    else:
        parts = (page.with_first(changes),)
    return TiffPicture(parts, orientation, negative and not as_indices, bits)


def _orientation(page: TiffPage) -> int:
    found = page.first(ORIENTATION, 1)
    return found if 1 <= found <= 8 else 1


def _depth(page: TiffPage, photometric: int, path: Path) -> int:
    kinds = set(page.values(_SAMPLE_FORMAT)) - {1, 4}
    if kinds:
        kind = _FORMATS.get(kinds.pop(), "unknown")
        raise DataError(f"{path} holds {kind} pixels; unsigned ones of 8 and 16 bit are read. Convert it to 8 bit.")
    if photometric not in _DEPTHS:
        raise DataError(
            f"{path} has pixels of the TIFF kind {photometric}; grey, RGB, palette, CMYK and YCbCr are read. "
            "Convert it to RGB of 8 bit."
        )
    depths = set(page.values(_BITS)) or {1}
    if len(depths) > 1 or not depths <= set(_DEPTHS[photometric]):
        found = "/".join(map(str, sorted(depths)))
        raise DataError(f"{path} holds {found} bits a channel, which is not read here. Convert it to 8 bits a channel.")
    samples, colours = page.first(_SAMPLES, 1), _COLOURS.get(photometric, 1)
    if not colours <= samples <= colours + 1:
        raise DataError(
            f"{path} has {samples} channels; grey and colour pictures are read, with alpha or without. "
            "Save the three that the network was trained on as RGB."
        )
    return depths.pop()


def _check_compression(compression: int, path: Path) -> None:
    if compression not in _KNOWN_COMPRESSIONS:
        name = _OTHER_COMPRESSIONS.get(compression, f"kind {compression}")
        raise DataError(
            f"{path} is a TIFF with {name} compression; none, LZW, Deflate, PackBits, CCITT and JPEG are read. "
            "Save it with LZW."
        )


def _planes(page: TiffPage, colours: int, samples: int) -> Iterator[bytes]:
    """One grey file a colour channel: the same bytes behind another table of tags."""
    offsets, counts = page.blocks()
    if len(offsets) % samples:
        raise ValueError("its planes differ in size")
    share = len(offsets) // samples
    bits = page.first(_BITS, 1)
    for plane in range(colours):
        own = slice(plane * share, (plane + 1) * share)
        tags = {tag: values for tag in _SHAPE if (values := page.values(tag))}
        tags |= {_BITS: (bits,), PHOTOMETRIC: (_BLACK_IS_ZERO,), _SAMPLES: (1,)}
        tags |= {page.places[0]: tuple(offsets[own]), page.places[1]: tuple(counts[own])}
        yield page.with_table(tags)
