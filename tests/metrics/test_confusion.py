"""Scores against an example worked by hand, and against counting pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeseg.errors import DataError
from edgeseg.metrics.confusion import Confusion

# truth      prediction
# 0 0 1 1    0 1 1 1
# 0 0 1 255  0 0 0 2        class 2 occurs in neither (its only prediction lies on void)
TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)
PREDICTED = np.array([[0, 1, 1, 1], [0, 0, 0, 2]], np.uint8)


def counted(predicted: np.ndarray, truth: np.ndarray, classes: int = 3, ignore: int | None = 255) -> Confusion:
    confusion = Confusion(classes, ignore)
    confusion.update(predicted, truth)
    return confusion


def test_the_worked_example() -> None:
    confusion = counted(PREDICTED, TRUTH)
    assert confusion.counts.tolist() == [[3, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(confusion.iou, [3 / 5, 2 / 4, np.nan])
    np.testing.assert_allclose(confusion.dice, [6 / 8, 4 / 6, np.nan])
    assert confusion.mean_iou == pytest.approx(0.55)
    assert confusion.mean_dice == pytest.approx((6 / 8 + 4 / 6) / 2)
    assert confusion.pixel_accuracy == pytest.approx(5 / 7)


def test_two_updates_equal_one_of_both_images() -> None:
    confusion = counted(PREDICTED[:1], TRUTH[:1])
    confusion.update(PREDICTED[1:], TRUTH[1:])
    assert np.array_equal(confusion.counts, counted(PREDICTED, TRUTH).counts)


def test_random_maps_equal_a_count_pixel_by_pixel() -> None:
    rng = np.random.default_rng(3)
    truth = rng.choice([0, 1, 2, 3, 7], (40, 50)).astype(np.uint8)
    predicted = rng.choice([0, 1, 2, 3, 255], (40, 50)).astype(np.uint8)
    iou = counted(predicted, truth, 4, ignore=7).iou
    scored = truth != 7
    for label in range(4):
        in_truth, in_prediction = (truth == label) & scored, (predicted == label) & scored
        assert iou[label] == pytest.approx((in_truth & in_prediction).sum() / (in_truth | in_prediction).sum())


def test_an_unknown_prediction_is_wrong_for_its_class_and_a_hit_for_none() -> None:
    unknown = np.full((1, 4), 255, np.uint8)
    confusion = counted(unknown, np.array([[0, 0, 1, 1]], np.uint8), 2)
    assert confusion.iou.tolist() == [0.0, 0.0]
    assert confusion.counts.tolist() == [[0, 0, 2], [0, 0, 2]]
    assert confusion.pixel_accuracy == 0.0


def test_a_class_only_predicted_scores_zero_and_counts_in_the_mean() -> None:
    confusion = counted(np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8), 3)
    assert confusion.iou[1] == 0.0
    assert math.isnan(confusion.iou[2])
    assert confusion.mean_iou == pytest.approx((1 / 2 + 0) / 2)


def test_nothing_counted_gives_nan_without_a_warning() -> None:
    confusion = Confusion(2)
    assert math.isnan(confusion.mean_iou)
    assert math.isnan(confusion.mean_dice)
    assert math.isnan(confusion.pixel_accuracy)


def test_two_hundred_fifty_four_classes_fit() -> None:
    truth = np.arange(254, dtype=np.uint8)[None]
    assert counted(truth, truth, 254).mean_iou == 1.0


def test_a_truth_value_that_is_no_class_is_named() -> None:
    with pytest.raises(DataError, match="the value 9"):
        counted(np.zeros((1, 2), np.uint8), np.array([[0, 9]], np.uint8))


def test_maps_of_different_sizes_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(2, 3\).*\(3, 2\)"):
        counted(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))
