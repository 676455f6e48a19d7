"""Outlines are valid polygons that hold exactly the pixels of their area."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest

from edgeseg.polygon import Polygon, _sides_meet, is_simple, trace_polygons


def random_mask(seed: int) -> Any:
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 30, 2)
    return random.random((height, width)) < random.uniform(0.1, 0.95)


def blobs(seed: int, sigma: float) -> Any:
    noise = np.random.default_rng(seed).random((90, 120)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return smooth > np.median(smooth)


def size_of(ring: Any) -> float:
    x, y = ring[:, 0].astype(float), ring[:, 1].astype(float)
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def side(a: Any, b: Any, c: Any) -> int:
    return int(np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])))


def is_on(a: Any, b: Any, c: Any) -> bool:
    """Whether ``c`` lies on the side from ``a`` to ``b``."""
    within = all(min(a[i], b[i]) <= c[i] <= max(a[i], b[i]) for i in (0, 1))
    return side(a, b, c) == 0 and within


def assert_simple(ring: list[Any]) -> None:
    """By the definition: sides that follow each other share one point, and no others share any."""
    assert len(ring) >= 3
    sides = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    for (i, (a, b)), (j, (c, d)) in itertools.combinations(enumerate(sides), 2):
        if j - i in (1, len(sides) - 1):
            far, near = (d, a) if j - i == 1 else (c, b)
            assert not is_on(a, b, far)
            assert not is_on(c, d, near)
        else:
            crossing = side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)
            assert not crossing
            assert not any((is_on(a, b, c), is_on(a, b, d), is_on(c, d, a), is_on(c, d, b)))


def redraw(polygons: list[Polygon], shape: tuple[int, int]) -> Any:
    """The pixels whose centres are inside, by the rule of even and odd crossings."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, int)
    for polygon in polygons:
        for ring in (polygon.points, *polygon.holes):
            for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0), strict=True):
                if y0 != y1:
                    crosses = (rows > min(y0, y1)) & (rows < max(y0, y1))
                    inside += crosses & (columns < x0 + (rows - y0) * (x1 - x0) / (y1 - y0))
    return inside % 2 == 1


@pytest.mark.parametrize("seed", range(40))
def test_exact_outlines_hold_exactly_their_pixels(seed: int) -> None:
    mask = random_mask(seed)
    polygons = trace_polygons(mask, tolerance=0)
    assert np.array_equal(redraw(polygons, mask.shape), mask)
    for polygon in polygons:
        assert size_of(polygon.points) - sum(map(size_of, polygon.holes)) == polygon.area
        for ring in (polygon.points, *polygon.holes):
            assert_simple(ring.tolist())


@pytest.mark.parametrize("sigma", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("tolerance", [1.0, 2.5, 20.0])
def test_simplified_outlines_stay_valid(sigma: float, tolerance: float) -> None:
    mask = blobs(1, sigma)
    exact, simple = trace_polygons(mask, 6, 0), trace_polygons(mask, 6, tolerance)
    assert sum(len(polygon.points) for polygon in simple) < sum(len(polygon.points) for polygon in exact)
    for before, after in zip(exact, simple, strict=True):
        assert (before.area, len(before.holes)) == (after.area, len(after.holes))
        for ring in (after.points, *after.holes):
            assert_simple(ring.tolist())
        for hole in after.holes:
            at = (cv2.pointPolygonTest(after.points, tuple(map(float, point)), False) for point in hole)
            assert min(at) >= 0
    if tolerance == 1.0 and sigma == 8.0:
        assert np.mean(redraw(simple, mask.shape) != mask) < 0.02


def test_a_line_one_pixel_wide_is_an_area() -> None:
    mask = np.zeros((5, 9), bool)
    mask[2, 1:8] = True
    (polygon,) = trace_polygons(mask)
    assert sorted(polygon.points.tolist()) == [[1, 2], [1, 3], [8, 2], [8, 3]]


def test_areas_that_touch_in_a_corner_are_two() -> None:
    assert len(trace_polygons(np.eye(2, dtype=bool))) == 2


def test_a_hole_that_touches_the_outline_is_a_hole() -> None:
    mask = np.ones((4, 4), bool)
    mask[1, 1] = mask[0, 0] = False
    (polygon,) = trace_polygons(mask, tolerance=0)
    assert [sorted(hole.tolist()) for hole in polygon.holes] == [[[1, 1], [1, 2], [2, 1], [2, 2]]]


def test_the_largest_is_first_and_small_ones_are_left_out() -> None:
    mask = np.zeros((9, 20), bool)
    mask[1:3, 1:3], mask[4:8, 4:9], mask[0, 15] = True, True, True
    assert [polygon.area for polygon in trace_polygons(mask)] == [20, 4, 1]
    assert [polygon.area for polygon in trace_polygons(mask, min_area=4)] == [20, 4]
    assert trace_polygons(mask & False) == []


def test_outlines_are_simple_by_whatever_way_that_is_told() -> None:
    draw = np.random.default_rng(0)
    told = []
    for _ in range(4000):
        points = draw.integers(0, draw.integers(3, 40), (draw.integers(3, 9), 2)).astype(np.int32)
        told.append(is_simple(points))
        assert told[-1] is not _sides_meet((points,)), points.tolist()
    assert 500 < sum(told) < 3500
