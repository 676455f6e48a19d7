"""What is asked for when a picture is to be segmented tile by tile, and what that means for one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.runtime.tiles.sight import Sight

MIRROR, NETWORK = "mirror", "network"
EDGES = (MIRROR, NETWORK)


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut into tiles of the network's own input size.

    Attributes:
        overlap: pixels that two neighbouring tiles share; half of it on each side of a seam is not used. None: as much
            as the network sees, where that is at most half a tile, else a quarter of a tile.
        edges: what the outermost tiles see beyond the picture. ``network``: what the network itself puts around its
            input, so that even at the edges the result is that of the whole picture in one inference; mirrored is only
            what a tile has beyond a picture that does not fill it. ``mirror``: the picture mirrored on every side
            (U-Net, arXiv:1505.04597), for networks that do badly at the edges of what they see.

    Raises:
        UserError: a value that cannot be meant.

    >>> Tiling(overlap=64).edges
    'network'
    """

    overlap: int | None = None
    edges: str = NETWORK

    def __post_init__(self) -> None:
        overlap = self.overlap
        if overlap is not None and (not isinstance(overlap, int) or isinstance(overlap, bool) or overlap < 0):
            raise UserError(f"`overlap` is a whole number of pixels from 0 on; found {overlap!r}.")
        if self.edges not in EDGES:
            raise UserError(f"`edges` is one of {', '.join(EDGES)}; found {self.edges!r}.")


Tile: TypeAlias = "bool | int | Tiling"
"""What programs say: True for the overlap that the network needs, an overlap in pixels, or all of it."""


def read_tiling(tile: Tile) -> Tiling | None:
    """Read what a program says; None: pictures are resized.

    Raises:
        UserError: no overlap.

    >>> read_tiling(True), read_tiling(False)
    (Tiling(overlap=None, edges='network'), None)
    """
    if tile is False or isinstance(tile, Tiling):
        return tile or None
    if tile is not True and not isinstance(tile, int):
        raise UserError(f"`tile` is True, an overlap in pixels or a Tiling; found {tile!r}.")
    return Tiling() if tile is True else Tiling(tile)


@dataclass(frozen=True)
class TilePlan:
    """A tiling as it fits one network.

    Attributes:
        tile: height and width of a tile, which is the network's input.
        margin: pixels on each side of a tile that are not used, a multiple of ``stride``.
        stride: tiles begin at multiples of it, as the network's own grid does.
        edges: see :class:`Tiling`.
        is_exact: whether the margin holds all that a pixel's class depends on.
        sight: what is known of that.
    """

    tile: tuple[int, int]
    margin: int
    stride: int
    edges: str
    is_exact: bool
    sight: Sight

    @property
    def overlap(self) -> int:
        """Pixels that two neighbouring tiles share."""
        return 2 * self.margin

    def __str__(self) -> str:
        height, width = self.tile
        how = "all that a pixel's class depends on" if self.is_exact else f"the network sees {self.sight}"
        return f"tiles of {height}x{width}, overlap {self.overlap} px ({how})"


def plan_tiles(tiling: Tiling, sight: Sight, tile: tuple[int, int], name: str) -> TilePlan:
    """Choose margin and grid of a tiling for a network.

    Args:
        tiling: what was asked for.
        sight: how far the network sees.
        tile: height and width of its input.
        name: of the network, for messages.

    Raises:
        UserError: the overlap is larger than half a tile.

    >>> from edgeseg.runtime.tiles.sight import Sight
    >>> plan = plan_tiles(Tiling(), Sight(20, 8), (128, 128), "cells")
    >>> plan.overlap, plan.is_exact
    (48, True)
    """
    most, stride = min(tile) // 2, sight.stride
    if tiling.overlap is not None:
        if tiling.overlap > most:
            raise UserError(
                f"`tile={tiling.overlap}` is an overlap larger than half a tile: {name} takes {tile[0]}x{tile[1]}, so "
                f"at most {most} pixels. For a larger overlap export the network with a larger `imgsz`."
            )
        margin = _round_up(-(-tiling.overlap // 2), stride)
    else:
        margin = _own_margin(sight, most)
    margin = min(margin, (min(tile) - stride) // 2 // stride * stride)
    is_exact = sight.reach is not None and margin >= sight.reach
    return TilePlan(tile, max(margin, 0), stride, tiling.edges, is_exact, sight)


def _own_margin(sight: Sight, most: int) -> int:
    if sight.reach is not None and 2 * (margin := _round_up(sight.reach, sight.stride)) <= most:
        return margin
    return _round_up(most // 4, sight.stride)


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
