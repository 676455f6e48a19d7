"""TIFF files (TIFF 6.0, BigTIFF) so prepared that OpenCV gives their numbers; what it would give wrong is refused.

Measured against tifffile, OpenCV 5.0 gives noise for 16-bit colour in separate planes, leaves 16-bit white-is-zero
pictures negative, multiplies colours by their alpha, and shows compressions that it cannot read as black. The tags
are therefore read here first, and changed where that helps.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import DataError

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, ORIENTATION, _SAMPLES, _STRIP_ROWS, _STRIP_COUNTS, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 317, 322, 323, 324, 325
_EXTRA_SAMPLES, _SAMPLE_FORMAT = 338, 339
_SHAPE = (_WIDTH, _HEIGHT, _COMPRESSION, _STRIP_ROWS, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT)

_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MOST_PAGES, _MOST_VALUES = 65536, 1 << 20
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_DEPTHS = {
    _WHITE_IS_ZERO: (1, 8, 16),
    _BLACK_IS_ZERO: (1, 8, 10, 12, 14, 16),
    _RGB: (8, 10, 12, 14, 16),
    _PALETTE: (1, 4, 8),
    _CMYK: (8,),
    _YCBCR: (8,),
}
_COLOURS = {_RGB: 3, _CMYK: 4, _YCBCR: 3}
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


@dataclass(frozen=True)
class _Tag:
    letter: str
    count: int
    at: int


@dataclass(frozen=True)
class _Layout:
    """How numbers lie in one file: byte order, and 4 or 8 bytes an offset."""

    order: str
    big: bool

    def number(self, data: bytes, letter: str, at: int) -> int:
        return int(struct.unpack_from(self.order + letter, data, at)[0])

    @property
    def offset(self) -> str:
        return "Q" if self.big else "I"

    @property
    def first_at(self) -> int:
        return 8 if self.big else 4


def is_tiff(data: bytes) -> bool:
    """Tell whether bytes begin like a TIFF or BigTIFF."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def exif_orientation(block: bytes) -> int:
    """Read the orientation (1..8) of an EXIF block, with or without its ``Exif`` prefix; 1 where it tells none."""
    block = block.removeprefix(b"Exif\0\0")
    try:
        layout = _layout(block)
        page = _page(block, layout, layout.number(block, layout.offset, layout.first_at))[0]
        return _orientation(block, layout, page)
    except (struct.error, ValueError):
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
        layout = _layout(data)
        pages = [(at, page) for at, page in _pages(data, layout) if not _first(data, layout, page, _SUBFILE, 0) & 0b101]
        if len(pages) > 1 and number is None:
            raise SeveralPicturesError(path, len(pages), data)
        if not pages:
            raise ValueError("no picture in it")
        at, page = pages[number or 0]
        data = _with_number(data, layout, layout.offset, layout.first_at, at)
        return _prepare(data, layout, page, path, as_indices)
    except struct.error:
        raise DataError(
            f"{path} is a damaged or truncated TIFF: its tables point beyond its end. Copy it again."
        ) from None
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path} is a damaged or truncated TIFF ({error}). Copy it again from its source.") from None


def _prepare(data: bytes, layout: _Layout, page: Mapping[int, _Tag], path: Path, as_indices: bool) -> TiffPicture:
    photometric = _first(data, layout, page, _PHOTOMETRIC, -1)
    bits = _depth(data, layout, page, _BLACK_IS_ZERO if as_indices and photometric == _PALETTE else photometric, path)
    _check_compression(_first(data, layout, page, _COMPRESSION, 1), path)
    _check_whole(data, layout, page)
    orientation = _orientation(data, layout, page)
    changes = {ORIENTATION: 1}
    negative = photometric == _WHITE_IS_ZERO and bits == 16
    if negative or (as_indices and photometric in (_WHITE_IS_ZERO, _PALETTE)):
        changes[_PHOTOMETRIC] = _BLACK_IS_ZERO
    samples = _first(data, layout, page, _SAMPLES, 1)
    if samples > _COLOURS.get(photometric, 1):
        changes[_EXTRA_SAMPLES] = 1  # alpha that is in the colours already: OpenCV leaves them as they are
    if bits > 8 and samples > 1 and _first(data, layout, page, _PLANAR, 1) == 2:
        parts = tuple(_planes(data, layout, page, _COLOURS.get(photometric, 1), samples))
    else:
        parts = (_change(data, layout, page, changes),)
    return TiffPicture(parts, orientation, negative and not as_indices, bits)


def _layout(data: bytes) -> _Layout:
    if not is_tiff(data):
        raise ValueError("no TIFF header")
    return _Layout("<" if data[:1] == b"I" else ">", b"+" in data[2:4])


def _pages(data: bytes, layout: _Layout) -> Iterator[tuple[int, Mapping[int, _Tag]]]:
    """Offset and tags of each page."""
    seen: set[int] = set()
    at = layout.number(data, layout.offset, layout.first_at)
    while at:
        if at in seen or len(seen) > _MOST_PAGES:
            raise ValueError("its list of pages has no end")
        seen.add(at)
        page, following = _page(data, layout, at)
        yield at, page
        at = following


def _page(data: bytes, layout: _Layout, at: int) -> tuple[Mapping[int, _Tag], int]:
    """Tags of the page at an offset, and the offset of the next page."""
    count = layout.number(data, "Q" if layout.big else "H", at)
    at += 8 if layout.big else 2
    step, room = (20, 8) if layout.big else (12, 4)
    if at + count * step > len(data):
        raise ValueError("a page lies beyond its end")
    page = {}
    for entry in range(at, at + count * step, step):
        letter = _TYPES.get(layout.number(data, "H", entry + 2))
        if letter is not None:
            length = layout.number(data, layout.offset, entry + 4)
            value = entry + step - room
            inside = length * struct.calcsize("=" + letter) <= room
            page[layout.number(data, "H", entry)] = _Tag(
                letter, length, value if inside else layout.number(data, layout.offset, value)
            )
    return page, layout.number(data, layout.offset, at + count * step) if at + count * step + room <= len(data) else 0


def _values(data: bytes, layout: _Layout, page: Mapping[int, _Tag], tag: int) -> tuple[int, ...]:
    found = page.get(tag)
    if found is None:
        return ()
    if found.count > _MOST_VALUES:
        raise ValueError(f"tag {tag} has {found.count} values")
    return struct.unpack_from(f"{layout.order}{found.count}{found.letter}", data, found.at)


def _first(data: bytes, layout: _Layout, page: Mapping[int, _Tag], tag: int, default: int) -> int:
    return next(iter(_values(data, layout, page, tag)), default)


def _orientation(data: bytes, layout: _Layout, page: Mapping[int, _Tag]) -> int:
    found = _first(data, layout, page, ORIENTATION, 1)
    return found if 1 <= found <= 8 else 1


def _depth(data: bytes, layout: _Layout, page: Mapping[int, _Tag], photometric: int, path: Path) -> int:
    kinds = set(_values(data, layout, page, _SAMPLE_FORMAT)) - {1, 4}
    if kinds:
        kind = _FORMATS.get(kinds.pop(), "unknown")
        raise DataError(f"{path} holds {kind} pixels; unsigned ones of 8 and 16 bit are read. Convert it to 8 bit.")
    if photometric not in _DEPTHS:
        raise DataError(
            f"{path} has pixels of the TIFF kind {photometric}; grey, RGB, palette, CMYK and YCbCr are read. "
            "Convert it to RGB of 8 bit."
        )
    depths = set(_values(data, layout, page, _BITS)) or {1}
    if len(depths) > 1 or not depths <= set(_DEPTHS[photometric]):
        found = "/".join(map(str, sorted(depths)))
        raise DataError(f"{path} holds {found} bits a channel, which is not read here. Convert it to 8 bits a channel.")
    samples, colours = _first(data, layout, page, _SAMPLES, 1), _COLOURS.get(photometric, 1)
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


def _check_whole(data: bytes, layout: _Layout, page: Mapping[int, _Tag]) -> None:
    offsets, counts = _blocks(data, layout, page)
    if not offsets or len(offsets) != len(counts):
        raise ValueError("it does not say where its pixels are")
    if max(offset + count for offset, count in zip(offsets, counts, strict=True)) > len(data):
        raise ValueError(f"pixels are missing after {len(data)} bytes")


def _blocks(data: bytes, layout: _Layout, page: Mapping[int, _Tag]) -> tuple[Sequence[int], Sequence[int]]:
    """Offsets and lengths of strips or tiles."""
    places = (_TILE_OFFSETS, _TILE_COUNTS) if _TILE_OFFSETS in page else (_STRIP_OFFSETS, _STRIP_COUNTS)
    offsets, counts = (_values(data, layout, page, tag) for tag in places)
    return offsets, counts


def _change(data: bytes, layout: _Layout, page: Mapping[int, _Tag], changes: Mapping[int, int]) -> bytes:
    """The file with the first value of these tags replaced, where they are, by ones that fit."""
    for tag, value in changes.items():
        if tag in page and page[tag].count:
            data = _with_number(data, layout, page[tag].letter, page[tag].at, value)
    return data


def _with_number(data: bytes, layout: _Layout, letter: str, at: int, value: int) -> bytes:
    if layout.number(data, letter, at) == value:
        return data
    out = bytearray(data)
    struct.pack_into(layout.order + letter, out, at, value)
    return bytes(out)


def _planes(data: bytes, layout: _Layout, page: Mapping[int, _Tag], colours: int, samples: int) -> Iterator[bytes]:
    """One grey file a colour channel: the same bytes behind another table of tags."""
    offsets, counts = _blocks(data, layout, page)
    if len(offsets) % samples:
        raise ValueError("its planes differ in size")
    share = len(offsets) // samples
    places = (_TILE_OFFSETS, _TILE_COUNTS) if _TILE_OFFSETS in page else (_STRIP_OFFSETS, _STRIP_COUNTS)
    bits = _first(data, layout, page, _BITS, 1)
    for plane in range(colours):
        own = slice(plane * share, (plane + 1) * share)
        tags = {tag: values for tag in _SHAPE if (values := _values(data, layout, page, tag))}
        tags |= {_BITS: (bits,), _PHOTOMETRIC: (_BLACK_IS_ZERO,), _SAMPLES: (1,)}
        tags |= {places[0]: tuple(offsets[own]), places[1]: tuple(counts[own])}
        yield _with_table(data, layout, tags)


def _with_table(data: bytes, layout: _Layout, tags: Mapping[int, tuple[int, ...]]) -> bytes:
    """The file with a new table of tags at its end, and its header pointing there."""
    start = len(data) + len(data) % 2
    letter, code = ("Q", 16) if layout.big else ("I", 4)
    size = struct.calcsize("=" + letter)
    step = 20 if layout.big else 12
    head = struct.pack(layout.order + ("Q" if layout.big else "H"), len(tags))
    rest_at = start + len(head) + len(tags) * step + size
    table, rest = b"", b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{layout.order}{len(values)}{letter}", *values)
        if len(values) > 1:
            rest, packed = rest + packed, struct.pack(layout.order + letter, rest_at + len(rest))
        table += struct.pack(f"{layout.order}HH{letter}", tag, code, len(values)) + packed
    out = bytearray(data.ljust(start, b"\0") + head + table + struct.pack(layout.order + letter, 0) + rest)
    struct.pack_into(layout.order + letter, out, layout.first_at, start)
    return bytes(out)
