"""Pictures that look like none of calibration are noticed, and those that do are left in peace."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.artifact import Artifact
from edgeseg.demo import cells
from edgeseg.image import UInt8
from edgeseg.image_traits import MEANINGS, measure_traits
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.likeness import REPORT, TraitRange, judge, trait_ranges
from edgeseg.runtime.sinks.likeness_watch import LikenessSink

PREDICTION = Prediction(np.zeros((8, 8), np.uint8))


def scenes(seed: int, count: int) -> list[UInt8]:
    """Rendered cells, each scene with a light of its own."""
    return [cells.render_scene(seed + number, 0, 128, 128)[0] for number in range(count)]


@pytest.fixture(scope="module")
def ranges() -> tuple[TraitRange, ...]:
    rows = np.array([measure_traits(image) for image in scenes(100, 60)])
    limits = zip(MEANINGS, rows.min(0), rows.max(0), strict=True)
    return tuple(TraitRange(name, float(low), float(high)) for name, low, high in limits)


def told(ranges: tuple[TraitRange, ...], images: list[UInt8], source: str = "a") -> list[Event]:
    events: list[Event] = []
    sink = LikenessSink(ranges, events.append)
    for index, image in enumerate(images):
        sink.write(Frame(image, index, 0.0, source), PREDICTION, 1.0)
    sink.close()
    return events


class TestJudgement:
    def test_scenes_that_calibration_has_not_seen_raise_no_alarm(self, ranges: tuple[TraitRange, ...]) -> None:
        rows = [measure_traits(image) for image in scenes(500, 60)]
        alone = [judge(ranges, [row]) for row in rows]
        fives = [judge(ranges, rows[at : at + 5]) for at in range(0, 60, 5)]
        assert not any(alone)
        assert not any(fives)

    def test_the_same_scenes_at_night_do(self, ranges: tuple[TraitRange, ...]) -> None:
        dark = [measure_traits((image * 0.15).astype(np.uint8)) for image in scenes(500, 5)]
        assert judge(ranges, dark)
        assert {"brightness", "highlights"} <= {one.trait for one in judge(ranges, dark)}
        assert judge(ranges, dark[:1])

    def test_the_trait_that_is_furthest_away_comes_first(self) -> None:
        found = judge((TraitRange("contrast", 10, 20), TraitRange("brightness", 100, 120)), [(40.0, 300.0)] * 5)
        assert [one.trait for one in found] == ["brightness", "contrast"]
        assert str(found[1]) == "contrast (standard deviation of grey) is 40, calibration had 10 to 20"


class TestARun:
    def test_one_odd_picture_among_many_is_no_event(self, ranges: tuple[TraitRange, ...]) -> None:
        images = [image for image in scenes(500, 6) for _ in range(9)]
        images[9:12] = [np.zeros((128, 128, 3), np.uint8)] * 3
        assert told(ranges, images) == []

    def test_a_camera_is_told_once_with_figures(self, ranges: tuple[TraitRange, ...]) -> None:
        events = told(ranges, [np.full((128, 128, 3), 5, np.uint8)] * 200, "rtsp://user:secret@camera/s")
        (event,) = events
        assert event.kind == "unlike-calibration"
        assert event.reason in MEANINGS
        assert "secret" not in event.source
        (first, *_) = event.facts["traits"]  # type: ignore[misc]
        assert first["trait"] == event.reason
        assert not first["low"] <= first["value"] <= first["high"]
        json.dumps(event.facts)

    def test_a_single_image_is_judged_at_the_end(self, ranges: tuple[TraitRange, ...]) -> None:
        assert len(told(ranges, [np.full((64, 64, 3), 250, np.uint8)])) == 1
        assert told(ranges, scenes(700, 1)) == []

    @pytest.mark.alone
    def test_looking_takes_less_than_one_per_cent(self, ranges: tuple[TraitRange, ...]) -> None:
        """A camera of 720p at 200 frames a second, for two seconds, after the first pictures."""
        sink = LikenessSink(ranges, lambda _: None)
        image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
        frame = Frame(image, 0, 0.0, "a")
        for _ in range(60):
            sink.write(frame, PREDICTION, 1.0)
        spent, start = sink._spent_s, time.monotonic()
        while time.monotonic() - start < 2:
            sink.write(frame, PREDICTION, 1.0)
            time.sleep(0.005)
        first_s = spent / 5
        assert sink._spent_s - spent < 0.01 * 2 + 3 * first_s


class TestFigures:
    @pytest.fixture
    def artifact(self, tiny_artifact: ArtifactMaker, tmp_path: Path) -> Artifact:
        made = tiny_artifact("openvino")
        copy = Path(shutil.copytree(made.path, tmp_path / made.path.name))
        return dataclasses.replace(made, path=copy, precision="int8", files={**made.files, REPORT: "0"})

    def write(self, artifact: Artifact, text: str) -> None:
        (artifact.path / REPORT).write_text(text)

    def test_calibration_and_verification_count_together(self, artifact: Artifact) -> None:
        figures = {"name": "contrast", "calibration": {"min": 3, "max": 9}, "reference": {"min": 1, "max": 8}}
        self.write(artifact, json.dumps({"coverage": {"traits": [figures, {**figures, "reference": None}]}}))
        assert trait_ranges(artifact) == (TraitRange("contrast", 1, 9), TraitRange("contrast", 3, 9))

    @pytest.mark.parametrize(
        "text",
        [
            "{}",
            "not json",
            '{"coverage": null}',
            '{"coverage": {"traits": [{"name": "taste", "calibration": {"min": 1, "max": 2}, "reference": null}]}}',
            '{"coverage": {"traits": [{"name": "contrast", "calibration": {"min": NaN, "max": 2}, "reference": {}}]}}',
        ],
    )
    def test_a_report_that_tells_nothing_is_no_error(self, artifact: Artifact, text: str) -> None:
        self.write(artifact, text)
        assert trait_ranges(artifact) == ()

    def test_float_models_have_none(self, tiny_artifact: ArtifactMaker) -> None:
        assert trait_ranges(tiny_artifact("openvino")) == ()
