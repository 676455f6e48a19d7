"""The flags of pictures that are cut into tiles, which several verbs have."""

from __future__ import annotations

import argparse

from edgeseg.console.quantities import whole
from edgeseg.errors import UserError
from edgeseg.runtime.tiles.tiling import EDGES, NETWORK, Tiling

AUTO = "auto"


def add_tile_arguments(group: argparse._ArgumentGroup) -> None:
    """Add ``--tile`` and ``--tile-edges``."""
    group.add_argument(
        "--tile",
        nargs="?",
        const=AUTO,
        metavar="OVERLAP",
        help="keep the picture's scale and cut it into tiles of the network's size that overlap by so many pixels "
        "(without a number: as far as the network sees)",
    )
    group.add_argument(
        "--tile-edges",
        choices=EDGES,
        help="what is beyond the picture: what the network itself puts there, or the picture mirrored "
        f"(default: {NETWORK})",
    )


def read_tile_flags(tile: str | None, edges: str | None) -> Tiling | None:
    """Read what the flags say; None: pictures are resized.

    Raises:
        UserError: no overlap, or edges of no tiles.

    >>> read_tile_flags("64", None)
    Tiling(overlap=64, edges='network')
    """
    if tile is None:
        if edges is not None:
            raise UserError("`tile_edges` needs something to apply to: give `tile` too.")
        return None
    if tile == AUTO:
        return Tiling(None, edges or NETWORK)
    try:
        overlap = int(whole()(tile))
    except (argparse.ArgumentTypeError, ValueError):
        raise UserError(f"`tile` takes an overlap in pixels, such as 128, or nothing; found {tile!r}.") from None
    return Tiling(overlap, edges or NETWORK)
