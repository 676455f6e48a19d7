"""Where tiles lie in a picture, and which part of the picture each of them decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeseg.runtime.tiles.tiling import NETWORK, TilePlan


@dataclass(frozen=True)
class Span:
    """One tile along one side of a picture, in the picture's pixels.

    Attributes:
        start: where it begins; what lies before 0 or behind the picture's end is mirrored.
        begin, end: the pixels that it decides.
    """

    start: int
    begin: int
    end: int


@dataclass(frozen=True)
class Grid:
    """All tiles of a picture: every span of rows with every span of columns.

    Attributes:
        plan: size of a tile, and its margin.
        rows, columns: from the top, and from the left.
    """

    plan: TilePlan
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def seams(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The first row, and the first column, behind each seam."""
        return tuple(span.begin for span in self.rows[1:]), tuple(span.begin for span in self.columns[1:])


def make_grid(height: int, width: int, plan: TilePlan) -> Grid:
    """Cover a picture with tiles.

    >>> from edgeseg.runtime.tiles.sight import Sight
    >>> from edgeseg.runtime.tiles.tiling import Tiling, plan_tiles
    >>> grid = make_grid(100, 300, plan_tiles(Tiling(), Sight(16, 8), (128, 128), "cells"))
    >>> [(span.start, span.begin, span.end) for span in grid.columns]
    [(0, 0, 112), (96, 112, 208), (192, 208, 300)]
    """
    sides = zip((height, width), plan.tile, strict=True)
    rows, columns = (tuple(_cut(size, tile, plan)) for size, tile in sides)
    return Grid(plan, rows, columns)


def _cut(size: int, tile: int, plan: TilePlan) -> Iterator[Span]:
    step = max((tile - 2 * plan.margin) // plan.stride, 1) * plan.stride
    return _flush(size, tile, step, plan) if plan.edges == NETWORK else _mirrored(size, step, plan.margin)


def _mirrored(size: int, step: int, margin: int) -> Iterator[Span]:
    for begin in range(0, size, step):
        yield Span(begin - margin, begin, min(begin + step, size))


def _flush(size: int, tile: int, step: int, plan: TilePlan) -> Iterator[Span]:
    """Let the first tile begin with the picture, and the last end with it where that keeps to the network's grid."""
    start = begin = 0
    fits = size >= tile and (size - tile) % plan.stride == 0
    while start + tile < size or (not fits and start + tile > size and start + tile - plan.margin < size):
        following = min(start + step, size - tile) if fits else start + step
        yield Span(start, begin, following + plan.margin)
        start, begin = following, following + plan.margin
    yield Span(start, begin, size)
