"""The paired bootstrap: the same figures as a plain loop, and bounds that hold as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeseg.metrics.bootstrap import (
    RESAMPLES,
    draw_blocks,
    expand_level,
    find_interval,
    resample,
    t_quantile,
)


def test_sums_are_those_of_a_plain_loop():
    rng = np.random.default_rng(3)
    counts, block_of = rng.integers(0, 10**6, (9, 2, 3)), [0, 0, 1, 1, 2, 3, 3, 3, 4]
    drawn = draw_blocks(5, resamples=50, seed=1)
    assert (drawn.sum(1) == 5).all()
    wanted = []
    for times in drawn:
        total = np.zeros((2, 3), np.int64)
        for image, block in enumerate(block_of):
            for _ in range(times[block]):
                total += counts[image]
        wanted.append(total)
    np.testing.assert_array_equal(resample(counts, block_of, drawn), wanted)


def test_the_spread_of_a_mean_is_its_standard_error():
    """The bootstrap of a mean has a known answer: the population's deviation over the root of N."""
    values = np.random.default_rng(0).integers(0, 1000, 200)
    sums = resample(np.stack([values, np.ones_like(values)], 1), range(200), draw_blocks(200, 20_000))
    means = sums[:, 0] / sums[:, 1]
    assert means.std() == pytest.approx(values.std() / math.sqrt(200), rel=0.03)
    assert means.mean() == pytest.approx(values.mean(), rel=0.01)


@pytest.mark.parametrize(
    ("level", "freedom", "wanted"),
    [(0.95, 7, 1.8946), (0.975, 7, 2.3646), (0.95, 30, 1.6973), (0.975, 100, 1.9840), (0.5, 9, 0.0)],
)
def test_student_s_quantiles_are_those_of_the_tables(level, freedom, wanted):
    assert t_quantile(level, freedom) == pytest.approx(wanted, abs=5e-4)


def test_few_blocks_widen_and_fewer_than_eight_say_nothing():
    assert expand_level(0.95, 8) > expand_level(0.95, 30) > 0.95
    values = np.random.default_rng(0).normal(size=RESAMPLES)
    assert not find_interval(values, 7).is_known
    found = find_interval(values, 8)
    assert found.is_known
    assert found.lower < found.floor < found.bound < found.upper
    assert found.bound > find_interval(values, 1000).bound
    assert find_interval(values, 7).bound == math.inf
    assert not find_interval(np.full(10, np.nan), 100).is_known


@pytest.mark.parametrize(("images", "least"), [(10, 0.90), (40, 0.92)])
def test_a_bound_holds_about_as_often_as_it_says(images, least):
    """Of 600 synthetic data sets with a known loss: two forms that err at random, images of very unequal difficulty."""
    rng = np.random.default_rng(7)
    true, trials = 1.0, 600
    under = 0
    for trial in range(trials):
        difficulty = rng.gamma(2.0, 0.5, images)
        lost = rng.binomial(10_000, np.minimum(1, 0.01 * true * difficulty))
        counts = np.stack([lost, np.full(images, 10_000)], 1)
        sums = resample(counts, range(images), draw_blocks(images, 1000, trial))
        bound = find_interval(100 * sums[:, 0] / sums[:, 1], images).bound
        under += bound >= true * 2.0 * 0.5
    assert least <= under / trials <= 0.985
