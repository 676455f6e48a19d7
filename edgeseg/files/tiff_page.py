"""The tables of a TIFF (TIFF 6.0, BigTIFF): the pages of a file, what their tags say, and files with other tags."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 279, 324, 325
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MOST_PAGES, _MOST_VALUES = 65536, 1 << 20


@dataclass(frozen=True)
class Tag:
    """Numbers of one kind: how each is packed (a letter of ``struct``), how many, and where they lie in the file."""

    letter: str
    count: int
    at: int


@dataclass(frozen=True)
class Layout:
    """How numbers lie in one file: byte order, and 4 or 8 bytes an offset."""

    order: str
    big: bool

    def number(self, data: bytes, letter: str, at: int) -> int:
        """Read a number."""
        return int(struct.unpack_from(self.order + letter, data, at)[0])

    @property
    def offset(self) -> str:
        """How an offset is packed."""
        return "Q" if self.big else "I"

    @property
    def first_at(self) -> int:
        """Where the offset of the first page lies."""
        return 8 if self.big else 4


@dataclass(frozen=True)
class TiffPage:
    """One page of a file, by its tags.

    Attributes:
        data: the whole file.
        layout: how its numbers lie.
        at: offset of the page's table.
        tags: what the table holds.
    """

    data: bytes
    layout: Layout
    at: int
    tags: Mapping[int, Tag]

    def values(self, tag: int) -> tuple[int, ...]:
        """Read the numbers of a tag; none where it is not there.

        Raises:
            ValueError: there are more than any picture has.
            struct.error: they lie beyond the end of the file.
        """
        found = self.tags.get(tag)
        if found is None:
            return ()
        if found.count > _MOST_VALUES:
            raise ValueError(f"tag {tag} has {found.count} values")
        return struct.unpack_from(f"{self.layout.order}{found.count}{found.letter}", self.data, found.at)

    def first(self, tag: int, default: int) -> int:
        """Read the first number of a tag, or its default."""
        return next(iter(self.values(tag)), default)

    @property
    def places(self) -> tuple[int, int]:
        """The tags that say where the pixels are: those of tiles, or of strips."""
        return (TILE_OFFSETS, TILE_COUNTS) if TILE_OFFSETS in self.tags else (STRIP_OFFSETS, STRIP_COUNTS)

    def blocks(self) -> tuple[Sequence[int], Sequence[int]]:
        """Read offsets and lengths of strips or tiles."""
        offsets, counts = (self.values(tag) for tag in self.places)
        return offsets, counts

    def check_whole(self) -> None:
        """Check that the file holds all pixels.

        Raises:
            ValueError: it does not.
        """
        offsets, counts = self.blocks()
        if not offsets or len(offsets) != len(counts):
            raise ValueError("it does not say where its pixels are")
        if max(offset + count for offset, count in zip(offsets, counts, strict=True)) > len(self.data):
            raise ValueError(f"pixels are missing after {len(self.data)} bytes")

    def with_first(self, changes: Mapping[int, int]) -> bytes:
        """Return the file, this page its first, with the first number of these tags replaced where they are."""
        layout, out = self.layout, bytearray(self.data)
        struct.pack_into(layout.order + layout.offset, out, layout.first_at, self.at)
        for tag, value in changes.items():
            if tag in self.tags and self.tags[tag].count:
                struct.pack_into(layout.order + self.tags[tag].letter, out, self.tags[tag].at, value)
        return bytes(out)

    def with_table(self, tags: Mapping[int, tuple[int, ...]]) -> bytes:
        """Return the file with a new table of tags at its end, and its header pointing there."""
        data, layout = self.data, self.layout
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


def is_tiff(data: bytes) -> bool:
    """Tell whether bytes begin like a TIFF or BigTIFF."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_pages(data: bytes) -> Iterator[TiffPage]:
    """Read the pages of a file, one by one.

    Raises:
        ValueError: no TIFF, or one whose list of pages is damaged.
        struct.error: it is cut short.
    """
    if not is_tiff(data):
        raise ValueError("no TIFF header")
    layout = Layout("<" if data[:1] == b"I" else ">", b"+" in data[2:4])
    seen: set[int] = set()
    at = layout.number(data, layout.offset, layout.first_at)
    while at:
        if at in seen or len(seen) > _MOST_PAGES:
            raise ValueError("its list of pages has no end")
        seen.add(at)
        tags, following = _read_table(data, layout, at)
        yield TiffPage(data, layout, at, tags)
        at = following


def _read_table(data: bytes, layout: Layout, at: int) -> tuple[Mapping[int, Tag], int]:
    """Tags of the page at an offset, and the offset of the next page."""
    count = layout.number(data, "Q" if layout.big else "H", at)
    at += 8 if layout.big else 2
    step, room = (20, 8) if layout.big else (12, 4)
    if at + count * step > len(data):
        raise ValueError("a page lies beyond its end")
    tags = {}
    for entry in range(at, at + count * step, step):
        letter = _TYPES.get(layout.number(data, "H", entry + 2))
        if letter is not None:
            length = layout.number(data, layout.offset, entry + 4)
            value = entry + step - room
            inside = length * struct.calcsize("=" + letter) <= room
            tags[layout.number(data, "H", entry)] = Tag(
                letter, length, value if inside else layout.number(data, layout.offset, value)
            )
    return tags, layout.number(data, layout.offset, at + count * step) if at + count * step + room <= len(data) else 0
