"""Tiles cover a picture once, keep to the network's grid, and decide only what they see all of."""

from __future__ import annotations

import itertools

import pytest

from edgeseg.errors import UserError
from edgeseg.runtime.tiles.grid import Span, make_grid
from edgeseg.runtime.tiles.sight import Sight
from edgeseg.runtime.tiles.tiling import EDGES, Tiling, plan_tiles

SIZES = (1, 7, 40, 127, 128, 129, 136, 200, 255, 256, 300, 1000)


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("tile", "reach", "stride"), [(128, 20, 8), (136, 20, 16), (128, 0, 1), (96, 22, 4)])
def test_tiles_cover_every_pixel_once_with_all_its_context(
    edges: str, size: int, tile: int, reach: int, stride: int
) -> None:
    plan = plan_tiles(Tiling(edges=edges), Sight(reach, stride), (tile, tile), "net")
    assert plan.is_exact
    spans = make_grid(size, size, plan).rows
    assert [span.begin for span in spans] == [0, *(span.end for span in spans[:-1])]
    assert spans[-1].end == size
    for span in spans:
        assert span.begin < span.end
        assert span.start % stride == 0
        has_context = (span.begin - span.start >= reach, span.start + tile - span.end >= reach)
        at_edge = (span.start == 0 and edges == "network", span.start + tile >= size and edges == "network")
        assert all(held or edge for held, edge in zip(has_context, at_edge, strict=True)), span


def test_the_last_tile_ends_with_the_picture_where_that_keeps_to_the_grid() -> None:
    plan = plan_tiles(Tiling(), Sight(20, 8), (128, 128), "net")
    assert make_grid(128, 128, plan).rows == (Span(0, 0, 128),)
    assert make_grid(256, 256, plan).rows[-1] == Span(128, 152, 256)


def test_mirrored_edges_have_a_margin_beyond_the_picture() -> None:
    plan = plan_tiles(Tiling(edges="mirror"), Sight(20, 8), (128, 128), "net")
    assert [span.start for span in make_grid(128, 128, plan).rows] == [-24, 56]


@pytest.mark.parametrize(("overlap", "margin"), [(0, 0), (1, 8), (16, 8), (17, 16), (64, 32)])
def test_an_overlap_is_rounded_up_to_the_grid(overlap: int, margin: int) -> None:
    plan = plan_tiles(Tiling(overlap), Sight(20, 8), (128, 128), "net")
    assert (plan.margin, plan.is_exact) == (margin, margin >= 20)


def test_a_network_that_sees_more_than_half_a_tile_gets_a_quarter_and_no_promise() -> None:
    for sight in (Sight(None, 8), Sight(50, 8)):
        plan = plan_tiles(Tiling(), sight, (128, 160), "net")
        assert (plan.overlap, plan.is_exact) == (32, False)


def test_an_overlap_larger_than_half_a_tile_is_refused() -> None:
    with pytest.raises(UserError, match=r"larger than half a tile: net takes 128x160, so at most 64 .*`imgsz`"):
        plan_tiles(Tiling(65), Sight(20, 8), (128, 160), "net")


@pytest.mark.parametrize("value", [-1, 1.5, True, "64"])
def test_what_is_no_overlap_is_refused(value: object) -> None:
    with pytest.raises(UserError, match="whole number of pixels"):
        Tiling(value)  # type: ignore[arg-type]


def test_a_tile_no_larger_than_the_stride_still_moves_on() -> None:
    for tile, stride in itertools.product((32, 48), (32, 64)):
        plan = plan_tiles(Tiling(), Sight(None, stride), (tile, tile), "net")
        assert make_grid(100, 100, plan).rows[-1].end == 100
