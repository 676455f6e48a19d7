"""Layers in float are chosen on some pictures and judged on others."""

from __future__ import annotations

import pytest

from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.calibration.search import mixed_precision, rescue
from edgeseg.errors import GateFailed
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import compare
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.report.report import JSON_FILE
from edgeseg.proof.stage import Stage

LIMITS = Budget(0.5, 2.0, 1.0)


@pytest.fixture(autouse=True)
def _without_timing(monkeypatch):
    monkeypatch.setattr(mixed_precision, "BENCH_SECONDS", 0.0)


def test_what_proves_is_asked_twice_and_chooses_nothing(outlier, images, samples, tmp_path, monkeypatch):
    asked = []

    def counting(stages, some, *rest):
        asked.append((some.split, len(some)))
        return compare(stages, some, *rest)

    monkeypatch.setattr("edgeseg.calibration.search.trials.compare", counting)
    built = int8_artifact(outlier["openvino"], images, OutputOptions(tmp_path, "x"), samples, LIMITS)
    assert [split for split, _ in asked].count("val") == 2
    assert {split for split, _ in asked} == {"val", "train"}
    assert built.comparison.split == "val"
    assert built.comparison.looks == 2
    assert any("layers in float were chosen on 12 other images" in note for note in built.notes)
    assert built.artifact.measured["evidence"] == list(built.notes)
    assert (built.artifact.path / JSON_FILE).read_text().count("were chosen on 12 other images") == 1


def test_a_choice_that_does_not_carry_over_is_not_handed_over(outlier, images, samples, tmp_path, monkeypatch):
    """On the pictures that choose nothing is lost at all; on those that prove everything is, whatever is in float."""

    def easy(stages, some, *rest):
        if some.split == "train":
            return compare([stages[0], Stage("int8", stages[0].predict)], some, *rest)
        return compare([stages[0], Stage("int8", lambda image: 0 * image[..., 0])], some, *rest)

    monkeypatch.setattr("edgeseg.calibration.search.trials.compare", easy)
    with pytest.raises(GateFailed, match="on those that chose nothing it misses the budget") as failed:
        int8_artifact(outlier["openvino"], images, OutputOptions(tmp_path, "x"), samples, LIMITS)
    assert failed.value.comparison.split == "val"
    assert "chosen on 12 other images, where this model lost 0.00 points" in str(failed.value)
    assert not list(tmp_path.glob("x-int8*"))


def test_limits_are_smaller_where_the_choosing_pictures_are_easier():
    class Found:
        def __init__(self, points):
            self.points, self.stages = points, [None]

    class Missed:
        field, limit, points = "max_drop", 0.5, 1.0

    judged = rescue.judge, rescue.misses
    try:
        rescue.judge = lambda found, stage, budget: [type("J", (), {"field": "max_drop", "points": found.points})]
        rescue.misses = lambda found, stage, budget: [Missed]
        assert rescue._tighten(LIMITS, Found(1.0), Found(0.4)).max_drop == pytest.approx(0.2)
        assert rescue._tighten(LIMITS, Found(1.0), Found(1.4)).max_drop == 0.5, "harder: the limit as it is"
    finally:
        rescue.judge, rescue.misses = judged
