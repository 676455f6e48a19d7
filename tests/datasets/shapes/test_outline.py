"""Which pixels an outline has: against programs that know nothing of these files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matplotlib.path import Path as Curve

from edgeseg.datasets.shapes.outline import (
    Patch,
    cut_patch,
    fill_ellipse,
    fill_outline,
    fill_pixel_outline,
    join_patches,
    names_pixels,
)
from edgeseg.errors import DataError

HEIGHT, WIDTH = 60, 90


def whole(patch: Patch) -> np.ndarray:
    canvas = np.zeros((HEIGHT, WIDTH), bool)
    rows, columns = patch.mask.shape
    canvas[patch.top : patch.top + rows, patch.left : patch.left + columns] = patch.mask
    return canvas


def polygons(count: int, low: float = -30, high: float = 120) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.uniform(low, high, (int(random.integers(3, 12)), 2)) for _ in range(count)]


@pytest.mark.parametrize("points", polygons(60), ids=range(60))
def test_a_pixel_belongs_to_an_outline_when_its_centre_is_inside(points: np.ndarray) -> None:
    """As Matplotlib decides it for each centre; outlines that cross themselves and leave the picture among them."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], 1)
    inside = Curve(np.vstack([points, points[:1]]), closed=True).contains_points(centres).reshape(HEIGHT, WIDTH)
    assert np.array_equal(whole(fill_outline(points, HEIGHT, WIDTH)), inside)


def test_two_halves_of_a_picture_share_no_pixel_and_leave_none() -> None:
    """Sides that run through the centres of pixels: each belongs to one of the two."""
    left = np.array([[0, 0], [10.5, 0], [40.5, HEIGHT], [0, HEIGHT]])
    right = np.array([[10.5, 0], [WIDTH, 0], [WIDTH, HEIGHT], [40.5, HEIGHT]])
    counts = sum(whole(fill_outline(points, HEIGHT, WIDTH)).astype(int) for points in (left, right))
    assert np.all(counts == 1)


def test_the_direction_of_an_outline_and_its_first_point_do_not_matter() -> None:
    for points in polygons(10):
        first = whole(fill_outline(points, HEIGHT, WIDTH))
        assert np.array_equal(first, whole(fill_outline(points[::-1], HEIGHT, WIDTH)))
        assert np.array_equal(first, whole(fill_outline(np.roll(points, 1, 0), HEIGHT, WIDTH)))


def test_what_opencv_traced_comes_back_as_it_was() -> None:
    random = np.random.default_rng(0)
    mask = cv2.resize(random.integers(0, 2, (7, 9)).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = cv2.fillPoly(np.zeros_like(mask), contours, 1)
    rings = [contour[:, 0].astype(np.float64) for contour in contours]
    assert names_pixels(rings)
    assert np.array_equal(whole(join_patches([fill_pixel_outline(ring, HEIGHT, WIDTH) for ring in rings])), filled > 0)


@pytest.mark.parametrize("points", polygons(20), ids=range(20))
def test_an_outline_of_pixels_is_filled_as_opencv_fills_it(points: np.ndarray) -> None:
    points = np.round(points)
    filled = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [points.astype(np.int32)], 1)
    assert np.array_equal(whole(fill_pixel_outline(points, HEIGHT, WIDTH)), filled > 0)


def test_the_two_rules_differ_by_half_a_pixel_around() -> None:
    square = np.array([[10, 10], [30, 10], [30, 20], [10, 20.0]])
    assert fill_outline(square, HEIGHT, WIDTH).count == 20 * 10
    assert fill_pixel_outline(square, HEIGHT, WIDTH).count == 21 * 11


def test_an_ellipse_has_the_pixels_whose_centres_are_inside() -> None:
    centre, radii, degrees = (40.3, 25.8), (30.0, 12.5), 33.0
    rows, columns = np.indices((HEIGHT, WIDTH))
    turned = (columns + 0.5 - centre[0] + 1j * (rows + 0.5 - centre[1])) * np.exp(-1j * np.deg2rad(degrees))
    inside = (turned.real / radii[0]) ** 2 + (turned.imag / radii[1]) ** 2 <= 1
    assert np.array_equal(whole(fill_ellipse(centre, radii, degrees, HEIGHT, WIDTH)), inside)


def test_an_ellipse_that_leaves_the_picture_is_cut_off() -> None:
    assert not fill_ellipse((-50, -50), (10, 10), 0, HEIGHT, WIDTH).count
    assert whole(fill_ellipse((0, 0), (500, 500), 0, HEIGHT, WIDTH)).all()


def test_a_hole_is_cut_out_where_it_lies() -> None:
    square = np.array([[10.0, 10], [50, 10], [50, 40], [10, 40]])
    for hole in (square * 0.5 + 12, square + 20, square + 200, square - 9):
        expected = whole(fill_outline(square, HEIGHT, WIDTH)) & ~whole(fill_outline(hole, HEIGHT, WIDTH))
        cut = cut_patch(fill_outline(square, HEIGHT, WIDTH), [fill_outline(hole, HEIGHT, WIDTH)])
        assert np.array_equal(whole(cut), expected)


def test_an_outline_of_more_sides_than_can_be_drawn_is_refused() -> None:
    points = np.stack([np.arange(40_000.0) % 2, np.arange(40_000) % 2 * 4000.0], 1)
    with pytest.raises(DataError, match="40000 points crosses too many rows"):
        fill_outline(points, 4000, 4000)
