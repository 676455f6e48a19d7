"""Confidence: the calibration error as its paper defines it, and how far one form's lies from another's."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import DataError
from edgeseg.metrics.confidence_change import ConfidenceChange
from edgeseg.metrics.reliability import Reliability
from edgeseg.multilabel import pack_planes


def published_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Guo et al. 2017, equations 3 to 5, word for word: bins ((m-1)/M, m/M], with 0 in the first."""
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for m in range(bins):
        inside = (confidence > edges[m]) & (confidence <= edges[m + 1])
        if m == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


class TestReliability:
    @pytest.mark.parametrize("seed", range(5))
    def test_the_error_is_the_published_one(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        stated = rng.integers(0, 256, 5000, dtype=np.uint8)
        right = rng.random(5000) < (stated / 255) ** (1 + seed)
        counts = Reliability()
        for part in range(5):
            counts.update(stated[part::5], right[part::5])
        assert counts.error == pytest.approx(published_error(stated / 255, right), abs=1e-12)

    def test_what_is_stated_exactly_has_no_error(self) -> None:
        counts = Reliability()
        counts.update(np.full((2, 5), 51, np.uint8), np.arange(10).reshape(2, 5) < 2)
        assert counts.error == pytest.approx(0, abs=1e-12)

    def test_bins_that_hold_nothing_are_left_out(self) -> None:
        counts = Reliability()
        counts.update(np.uint8([0, 17, 18, 255]), np.array([False, True, True, True]))
        assert [(one.stated, one.right, one.share) for one in counts.bins()] == [
            (pytest.approx(17 / 255 / 2), 0.5, 0.5),
            (pytest.approx(18 / 255), 1.0, 0.25),
            (1.0, 1.0, 0.25),
        ]

    def test_without_answers_nothing_is_known(self) -> None:
        assert np.isnan(Reliability().error)
        assert Reliability().bins() == []

    def test_shapes_must_agree(self) -> None:
        with pytest.raises(DataError, match="differ in shape"):
            Reliability().update(np.zeros((2, 2), np.uint8), np.zeros(4, bool))

    def test_it_survives_json(self) -> None:
        counts = Reliability()
        counts.update(np.uint8([3, 200]), np.array([True, False]))
        assert Reliability.from_dict(counts.to_dict()).error == counts.error


class TestChange:
    @pytest.mark.parametrize("seed", range(3))
    def test_means_by_class_and_crossings_are_what_numpy_counts(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        least = np.uint8([100, 150, 200])
        change = ConfidenceChange(3, least)
        pictures = []
        for _ in range(4):
            one = [rng.integers(0, high, (20, 30), dtype=np.uint8) for high in (3, 256, 3, 256)]
            change.update((one[0], one[1]), (one[2], one[3]))
            pictures.append(one)
        labels, before, others, after = (np.stack(part) for part in zip(*pictures, strict=True))
        moved = np.abs(before.astype(float) - after) / 255
        assert change.mean_points == pytest.approx(100 * moved.mean())
        for k in range(3):
            assert change.class_points[k] == pytest.approx(100 * moved[labels == k].mean())
        crossed = (before >= least[labels]) != (after >= least[others])
        assert change.crossing == pytest.approx(crossed.mean())

    def test_planes_of_a_multilabel_task_are_counted_each_where_it_is_shown(self) -> None:
        rng = np.random.default_rng(0)
        before, after = rng.integers(0, 256, (2, 2, 20, 30), dtype=np.uint8)
        least = np.uint8([128, 60])
        labels, others = (pack_planes(one >= least[:, None, None]) for one in (before, after))
        change = ConfidenceChange(2, least)
        change.update((labels, before), (others, after))
        moved = np.abs(before.astype(float) - after) / 255
        assert change.mean_points == pytest.approx(100 * moved.mean())
        for k in range(2):
            assert change.class_points[k] == pytest.approx(100 * moved[k][before[k] >= least[k]].mean())
        sure = [one >= least[:, None, None] for one in (before, after)]
        assert change.crossing == pytest.approx((sure[0] != sure[1]).mean())

    def test_a_class_that_never_occurs_is_not_known_and_no_threshold_is_never_crossed(self) -> None:
        change = ConfidenceChange(3)
        picture = np.zeros((2, 2), np.uint8), np.full((2, 2), 9, np.uint8)
        change.update(picture, picture)
        assert change.class_points.tolist()[0] == 0
        assert np.isnan(change.class_points[1:]).all()
        assert np.isnan(change.crossing)

    def test_sizes_must_agree(self) -> None:
        one, other = np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)
        with pytest.raises(DataError, match="differ in size"):
            ConfidenceChange(2).update((one, one), (one, other))

    def test_it_survives_json(self) -> None:
        change = ConfidenceChange(2, np.uint8([9, 9]))
        change.update((np.uint8([[0, 1]]), np.uint8([[1, 2]])), (np.uint8([[0, 1]]), np.uint8([[3, 90]])))
        again = ConfidenceChange.from_dict(change.to_dict())
        assert (again.mean_points, again.crossing) == (change.mean_points, change.crossing)
        assert again.class_points.tolist() == change.class_points.tolist()
