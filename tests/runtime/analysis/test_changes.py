"""A mask is kept while nothing changes, and never for longer than was asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_engine import FakeEngine
from linear_model import ArtifactMaker

from edgeseg.errors import UserError
from edgeseg.image import UInt8, fit
from edgeseg.runtime.analysis.changes import ChangeDetector, changed_percent, shrink
from edgeseg.runtime.analysis.settings import WhenChanged, read_when_changed
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.source import open_source
from edgeseg.spec import ModelSpec

SIZE = (120, 160)


def still(level: int = 90) -> UInt8:
    return np.full((*SIZE, 3), level, np.uint8)


def with_square(left: int, side: int = 16) -> UInt8:
    image = still()
    image[50 : 50 + side, left : left + side] = 220
    return image


def due(images: list[UInt8], settings: WhenChanged, period_s: float = 0.04) -> list[int]:
    detector = ChangeDetector(settings)
    return [n for n, image in enumerate(images) if detector.is_due(Frame(image, n, n * period_s, "camera"))]


def test_a_still_scene_is_inferred_once_and_then_as_often_as_is_asked() -> None:
    assert due([still()] * 101, WhenChanged(refresh_s=1.0)) == [0, 25, 50, 75, 100]


def test_noise_of_a_sensor_is_no_change() -> None:
    chance = np.random.default_rng(0)
    noisy = [np.clip(still() + chance.normal(0, 4, (*SIZE, 3)), 0, 255).astype(np.uint8) for _ in range(20)]
    assert due(noisy, WhenChanged(0, 100)) == [0]


def test_something_that_comes_and_goes_is_seen_both_times() -> None:
    assert due([still()] * 5 + [with_square(20)] * 5 + [still()] * 5, WhenChanged(0.5, 100)) == [0, 5, 10]


def test_what_is_smaller_than_was_asked_for_is_kept() -> None:
    images = [still(), with_square(20)]
    percent = changed_percent(shrink(images[0][..., 1]), shrink(images[1][..., 1]))
    assert 1.0 < percent < 3.0  # 256 of 19200 pixels, and cells that it touches
    assert due(images, WhenChanged(percent, 100)) == [0]
    assert due(images, WhenChanged(percent - 0.1, 100)) == [0, 1]


def test_a_change_too_slow_to_be_seen_between_frames_adds_up() -> None:
    dusk = [still(200 - n) for n in range(60)]
    assert due(dusk, WhenChanged(0.5, 100)) == list(range(0, 60, 9))


def test_cameras_are_compared_with_themselves() -> None:
    detector = ChangeDetector(WhenChanged())
    told = [(name, n) for n in range(3) for name in ("left", "right")]
    images = {"left": still(10), "right": still(200)}
    assert [detector.is_due(Frame(images[name], n, n * 0.1, name)) for name, n in told] == [True, True] + [False] * 4


def test_a_camera_that_sends_another_size_is_inferred() -> None:
    assert due([still(), np.full((160, 120, 3), 90, np.uint8)], WhenChanged(0, 100)) == [0, 1]


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (4000, 6000)])
def test_pictures_of_any_shape_are_shrunken(shape: tuple[int, int]) -> None:
    small = shrink(np.full(shape, 7, np.uint8))
    assert small.shape[1] <= 64
    assert np.all(small == 7)


@pytest.mark.parametrize("wrong", [{"change": -1}, {"change": 101}, {"refresh_s": 0}, {"refresh_s": float("nan")}])
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"change|refresh_s"):
        WhenChanged(**wrong)
    with pytest.raises(UserError, match="when_changed"):
        read_when_changed("often")  # type: ignore[arg-type]


class Scenes:
    """A source of a still scene in which a square stands for some of the frames."""

    size, fps, total, names, skipped, live, ended_early = SIZE, 25.0, 60, (), 0, False, False

    def __enter__(self) -> Scenes:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        for index in range(60):
            image = with_square(20) if 20 <= index < 40 else still()
            yield Frame(image, index, time.monotonic(), "scenes", media_s=index / 25)


class Kept:
    name, newest_only = "kept", False

    def __init__(self) -> None:
        self.found: list[tuple[Frame, Prediction]] = []

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        self.found.append((frame, prediction))

    def close(self) -> None:
        pass


@pytest.mark.parametrize("slots", [1, 3])
def test_every_frame_gets_the_mask_of_the_last_inference_in_order(tiny_spec: ModelSpec, slots: int) -> None:
    kept = Kept()
    engine = FakeEngine(tiny_spec, delay_s=lambda: 0.003)
    summary = Pipeline(engine, Scenes(), slots, when_changed=WhenChanged(0.5, 100)).run([kept])
    assert [frame.index for frame, _ in kept.found] == list(range(60))
    assert [frame.index for frame, said in kept.found if not said.reused] == [0, 20, 40]
    assert (summary.frames, summary.skipped_unchanged) == (60, 57)
    assert (summary.stages["infer"].count, summary.stages["detect"].count) == (3, 60)
    for begin in (0, 20, 40):
        assert all(said.labels is kept.found[begin][1].labels for _, said in kept.found[begin : begin + 20])


def test_a_clip_is_told_by_the_luma_of_its_decoder(clip: Path, tiny_artifact: ArtifactMaker) -> None:
    engine = open_engine(tiny_artifact("openvino"), slots=2)
    kept = Kept()
    with open_source(str(clip)) as source:
        summary = Pipeline(engine, source, when_changed=WhenChanged(0.5, 100)).run([kept])
    assert summary.frames == len(kept.found) == summary.skipped_unchanged + summary.stages["infer"].count
    slot = engine.open_slot()
    for frame, said in kept.found:
        if not said.reused:
            fit(frame.image, engine.spec, out=slot.input)
            assert np.array_equal(said.labels, slot.run().labels)
