"""Boundary IoU against an example worked by hand, and against counting pixel by pixel."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edgeseg.errors import DataError
from edgeseg.metrics.boundary_iou import BoundaryIoU, band, band_width


def counted(predicted: np.ndarray, truth: np.ndarray, classes: int, ignore: int | None = 255) -> BoundaryIoU:
    boundary = BoundaryIoU(classes, ignore)
    boundary.update(predicted.astype(np.uint8), truth.astype(np.uint8))
    return boundary


def square(top: int, left: int, size: int, shape: tuple[int, int] = (12, 12)) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[top : top + size, left : left + size] = 1
    return labels


def test_a_square_moved_by_one_pixel_worked_by_hand() -> None:
    # d = 1: the band of a 6x6 square is its ring of 20 pixels. Moved right by one, both rings share
    # 2 x 5 pixels of their upper and lower sides and 0 of the others: 10 of 20 + 20 - 10.
    boundary = counted(square(3, 4, 6), square(3, 3, 6), 2)
    assert (boundary.intersection[1], boundary.union[1]) == (10, 30)
    assert boundary.iou[1] == pytest.approx(1 / 3)
    area = (6 * 5) / (36 + 36 - 30)
    assert boundary.iou[1] < area, "a moved outline costs more than its area says"


def slow_counts(predicted: np.ndarray, truth: np.ndarray, label: int, distance: int, ignore: int) -> tuple[int, int]:
    """The definition by loops: a pixel of a mask belongs to its band when the square leaves the mask."""
    scored = truth != ignore

    def in_band(labels: np.ndarray) -> np.ndarray:
        mask = np.pad((labels == label) & scored, distance)
        found = np.zeros(labels.shape, bool)
        for y, x in np.ndindex(labels.shape):
            window = mask[y : y + 2 * distance + 1, x : x + 2 * distance + 1]
            found[y, x] = mask[y + distance, x + distance] and not window.all()
        return found

    ours, theirs = in_band(predicted), in_band(truth)
    return int((ours & theirs).sum()), int((ours | theirs).sum())


def blobs(seed: int, values: list[int], shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.choice(values, (9, 11)).astype(np.uint8)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST)


def test_random_regions_equal_the_definition_pixel_by_pixel() -> None:
    shape = (80, 100)
    boundary, sums = BoundaryIoU(4, ignore_index=7), np.zeros((4, 2), int)
    assert band_width(shape) == 3
    for seed in (1, 2):
        truth, predicted = blobs(seed, [0, 1, 2, 3, 7], shape), blobs(seed, [0, 1, 2, 3, 255], shape)
        predicted = np.roll(predicted, 2, axis=1)
        boundary.update(predicted, truth)
        sums += [slow_counts(predicted, truth, label, 3, 7) for label in range(4)]
    np.testing.assert_array_equal(boundary.intersection, sums[:, 0])
    np.testing.assert_array_equal(boundary.union, sums[:, 1])
    np.testing.assert_allclose(boundary.iou, sums[:, 0] / sums[:, 1])


def test_counts_are_summed_over_the_dataset_before_they_are_divided() -> None:
    boundary = counted(square(3, 3, 6), square(3, 3, 6), 2)
    boundary.update(square(1, 1, 2), square(8, 8, 4))
    assert boundary.iou[1] == pytest.approx(20 / (20 + 4 + 12))


def test_the_inside_of_a_region_is_not_scored() -> None:
    truth = square(3, 3, 7)
    hole = truth.copy()
    hole[6, 6] = 0
    assert band(truth, 1)[6, 6] == 255
    assert counted(truth, truth, 2).mean_iou == 1
    assert counted(hole, truth, 2).mean_iou < 1, "a hole has an outline of its own"


def test_ignored_pixels_count_for_nobody() -> None:
    truth = square(3, 3, 6)
    truth[:, 6:] = 255
    predicted = square(3, 3, 6)
    boundary = counted(predicted, truth, 2)
    assert boundary.mean_iou == 1
    predicted[:, 6:] = 1
    assert counted(predicted, truth, 2).mean_iou == 1


def test_the_band_grows_with_the_image() -> None:
    assert band_width((360, 480)) == 12
    assert band_width((10, 10)) == 1


def test_classes_that_do_not_occur_are_nan_and_do_not_count() -> None:
    boundary = counted(square(3, 3, 6), square(3, 3, 6), 4)
    assert np.isnan(boundary.iou[2:]).all()
    assert boundary.mean_iou == 1
    assert math.isnan(BoundaryIoU(3).mean_iou)


def test_maps_of_different_sizes_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(2, 3\).*\(3, 2\)"):
        counted(np.zeros((2, 3)), np.zeros((3, 2)), 2)
