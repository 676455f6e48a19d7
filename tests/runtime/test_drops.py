"""Every frame that a camera gave is counted once: as a result, as dropped, or as stale."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from fake_engine import FakeEngine

from edgeseg.errors import SourceError
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.handoff import FrameTaker
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.selected import SelectedFeed
from edgeseg.runtime.sources.selection import Region, Selection
from edgeseg.runtime.summary import Summary
from edgeseg.spec import ModelSpec

PERIOD_S = 0.002


class FakeCameras:
    """Cameras that put ``count`` frames each, in a thread each, straight into the place that they are given.

    Args:
        lose_each: of so many frames one was lost on its way.
        old_each: of so many frames one comes ten seconds late.
    """

    live, size, fps, total, skipped = True, None, None, None, 0
    waiting = ended_early = False

    def __init__(self, count: int, names: Sequence[str] = ("cam",), lose_each: int = 10**9, old_each: int = 10**9):
        self.names, self._count, self._lose_each, self._old_each = names, count, lose_each, old_each
        self._stopped = threading.Event()
        self.given = dict.fromkeys(names, 0)

    def __enter__(self) -> FakeCameras:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()

    def __iter__(self) -> Iterator[Frame]:
        raise AssertionError("a source that feeds is not iterated")

    def feed(self, taker: FrameTaker) -> None:
        threads = [threading.Thread(target=self._give, args=(name, taker), daemon=True) for name in self.names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _give(self, name: str, taker: FrameTaker) -> None:
        image = np.zeros((30, 40, 3), np.uint8)
        for index in range(self._count):
            if self._stopped.wait(PERIOD_S):
                return
            if index % self._lose_each == self._lose_each - 1:
                taker.lose(dropped=1)
                self.given[name] += 1
                continue
            age_s = 10 if index % self._old_each == self._old_each - 1 else 0
            if not taker.put(Frame(image, index, time.monotonic() - age_s, name)):
                return
            self.given[name] += 1


class Kept:
    name, newest_only = "kept", False

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        pass


@pytest.fixture
def slow(tiny_spec: ModelSpec) -> Callable[[], FakeEngine]:
    return lambda: FakeEngine(tiny_spec, delay_s=lambda: 5 * PERIOD_S)


def expect_each_once(summary: Summary) -> None:
    assert summary.received == summary.frames + summary.dropped + summary.stale


@pytest.mark.parametrize("names", [("cam",), ("a", "b", "c")])
@pytest.mark.parametrize("slots", [1, 3])
def test_a_camera_that_ends(slow: Callable[[], FakeEngine], names: tuple[str, ...], slots: int) -> None:
    cameras, kept = FakeCameras(100, names, lose_each=7, old_each=5), Kept()
    summary = Pipeline(slow(), cameras, slots).run([kept])
    assert summary.received == 100 * len(names)
    expect_each_once(summary)
    lost = 100 // 7 * len(names)
    assert summary.dropped > lost
    assert all(frame.index % 5 != 4 for frame in kept.frames)
    assert summary.frames == len({(frame.source, frame.index) for frame in kept.frames}) + summary.sink_dropped["kept"]


def test_frames_that_are_too_old_are_stale_and_nothing_else(tiny_spec: ModelSpec) -> None:
    summary = Pipeline(FakeEngine(tiny_spec), FakeCameras(60, old_each=1)).run()
    assert (summary.frames, summary.received) == (0, 60)
    assert summary.stale > 0
    expect_each_once(summary)


@pytest.mark.parametrize("by", ["max_frames", "stop"])
def test_a_run_that_is_ended(slow: Callable[[], FakeEngine], by: str) -> None:
    cameras = FakeCameras(10**6, ("a", "b"), lose_each=4)
    pipeline = Pipeline(slow(), cameras, 2, max_frames=30 if by == "max_frames" else None)
    summary = pipeline.run((), lambda: pipeline.stop() if by == "stop" and pipeline.frames == 30 else None)
    assert summary.frames >= 30
    expect_each_once(summary)
    assert summary.received <= sum(cameras.given.values())


def test_what_is_not_chosen_takes_nobodys_place_and_is_not_counted(slow: Callable[[], FakeEngine]) -> None:
    kept = Kept()
    summary = Pipeline(slow(), SelectedFeed(FakeCameras(99), Selection(every=3)), 1).run([kept])
    assert summary.received == 33
    expect_each_once(summary)
    assert summary.dropped > 0
    assert all(frame.index % 3 == 0 for frame in kept.frames)


def test_a_region_beyond_the_only_camera_is_an_error_of_the_run(tiny_spec: ModelSpec) -> None:
    source = SelectedFeed(FakeCameras(10**6), Selection(region=Region(0, 0, 100, 100)))
    with pytest.raises(SourceError, match="cam gives 40x30 pixels"):
        Pipeline(FakeEngine(tiny_spec), source).run()


def test_the_counts_of_the_moment_are_those_of_the_end(slow: Callable[[], FakeEngine]) -> None:
    pipeline = Pipeline(slow(), FakeCameras(50, lose_each=3), 1)
    summary = pipeline.run()
    assert pipeline.lost == {
        "received": summary.received,
        "dropped": summary.dropped,
        "stale": summary.stale,
        "skipped": 0,
    }
