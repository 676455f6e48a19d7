"""LogLoss against an example worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeseg.errors import DataError
from edgeseg.metrics.log_loss import CLIP, log_loss, log_loss_map

PREDICTED = [[0.5, 0, 0.4], [0.1, 0.9, 0.1], [0.6, 0.2, 0.5]]
TRUTH = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
# -ln of the probability that was given to what is there: 0.5 1 0.4 / 0.9 0.9 0.9 / 0.6 0.8 0.5
WORKED = [[0.693147, 0, 0.916291], [0.105361, 0.105361, 0.105361], [0.510826, 0.223144, 0.693147]]


def test_the_lecture_example_pixel_by_pixel_and_in_the_mean() -> None:
    np.testing.assert_allclose(log_loss_map(PREDICTED, TRUTH), WORKED, atol=1e-6)
    assert log_loss(PREDICTED, TRUTH) == pytest.approx(3.352637 / 9, abs=1e-6)


def test_sure_and_right_costs_nothing_sure_and_wrong_a_finite_16() -> None:
    right, wrong = log_loss_map([0.0, 1.0], [0, 1]), log_loss_map([0.0, 1.0], [1, 0])
    np.testing.assert_allclose(right, 0, atol=1.1e-7)
    np.testing.assert_allclose(wrong, -math.log(CLIP), rtol=1e-6)


@pytest.mark.parametrize(
    ("predicted", "truth", "said"),
    [
        ([0.5], [[1]], r"\(1,\) and truth \(1, 1\)"),
        ([1.5], [1], "must be 0..1; found 1.5"),
        ([math.nan, 0.5], [1, 0], "must be 0..1"),
        ([0.5, 0.5], [1, 2], "must be 0 or 1; found 2"),
    ],
)
def test_what_is_no_probability_or_no_mask_is_refused(predicted: list[float], truth: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        log_loss(predicted, truth)
