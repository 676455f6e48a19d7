from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_engine import FakeEngine
from linear_model import ArtifactMaker

from edgeseg.errors import EngineError, OutputError, SourceError
from edgeseg.image import fit
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.source import open_source
from edgeseg.spec import ModelSpec


class Pictures:
    """A source of ``count`` small pictures, one every ``period_s``; fails at ``fail_at``."""

    size = None
    fps = None
    total = None
    names = ()
    ended_early = False

    def __init__(self, count: int, live: bool = False, period_s: float = 0.0, fail_at: int | None = None) -> None:
        self.count, self.live, self.period_s, self.fail_at = count, live, period_s, fail_at
        self.skipped = 0
        self.given = 0

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            time.sleep(self.period_s)
            if index == self.fail_at:
                raise SourceError("The camera was unplugged.")
            self.given += 1
            image = np.full((30, 40, 3), index % 256, np.uint8)
            yield Frame(image, index, time.monotonic(), "pictures", media_s=index / 10)


class Kept:
    """A sink that keeps what it gets."""

    newest_only = False

    def __init__(self, delay_s: float = 0.0, fail_at: int | None = None, name: str = "kept") -> None:
        self.name, self.delay_s, self.fail_at = name, delay_s, fail_at
        self.frames: list[Frame] = []
        self.labels: list[Prediction] = []
        self.latencies_ms: list[float] = []
        self.closed = 0

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        time.sleep(self.delay_s)
        if len(self.frames) == self.fail_at:
            raise OutputError("The disk is full.")
        self.frames.append(frame)
        self.labels.append(prediction)
        self.latencies_ms.append(latency_ms)

    def close(self) -> None:
        self.closed += 1

    @property
    def indices(self) -> list[int]:
        return [frame.index for frame in self.frames]


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("edgeseg")]


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 5
    while own_threads() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert own_threads() == []


def test_a_file_keeps_its_order_whatever_each_frame_takes(tiny_spec: ModelSpec) -> None:
    chance = random.Random(3)
    engine = FakeEngine(tiny_spec, delay_s=lambda: chance.choice((0.0, 0.002, 0.02)))
    kept = Kept()
    summary = Pipeline(engine, Pictures(80), slots=3).run([kept])
    assert kept.indices == list(range(80))
    assert (summary.frames, summary.dropped, kept.closed) == (80, 0, 1)


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
def test_masks_are_those_of_a_plain_loop(clip: Path, tiny_artifact: ArtifactMaker, model_format: str) -> None:
    engine = open_engine(tiny_artifact(model_format), slots=2)
    kept = Kept()
    with open_source(str(clip)) as source:
        Pipeline(engine, source).run([kept])
    slot = engine.open_slot()
    with open_source(str(clip)) as source:
        for frame, prediction in zip(source, kept.labels, strict=True):
            fit(frame.image, engine.spec, out=slot.input)
            assert np.array_equal(prediction.labels, slot.run().labels)


def test_a_slow_sink_holds_a_file_back_and_loses_nothing(tiny_spec: ModelSpec) -> None:
    source, kept = Pictures(60), Kept(delay_s=0.01)
    ahead: list[int] = []
    pipeline = Pipeline(FakeEngine(tiny_spec), source, slots=2)
    summary = pipeline.run([kept], lambda: ahead.append(source.given - len(kept.frames)))
    assert kept.indices == list(range(60))
    assert summary.sink_dropped == {"kept": 0}
    assert max(ahead) <= (2 + 1) + (2 * 2 + 2) + 4 + 2  # inbox, between, queue, at both ends


def test_live_frames_that_nobody_can_take_are_dropped_and_counted(tiny_spec: ModelSpec) -> None:
    source, kept = Pictures(100, live=True, period_s=0.005), Kept()
    summary = Pipeline(FakeEngine(tiny_spec, delay_s=lambda: 0.04), source, slots=2).run([kept])
    assert summary.dropped > 30
    assert summary.frames + summary.dropped == 100
    assert kept.indices == sorted(set(kept.indices))
    assert kept.indices[-1] == 99


def test_live_masks_are_of_fresh_frames(tiny_spec: ModelSpec) -> None:
    source, kept = Pictures(100, live=True, period_s=0.005), Kept()
    Pipeline(FakeEngine(tiny_spec, delay_s=lambda: 0.04), source, slots=1).run([kept])
    assert np.median(kept.latencies_ms) < 90  # one inference, and at most one more frame waiting


def test_a_slow_sink_of_a_live_source_drops_and_counts(tiny_spec: ModelSpec) -> None:
    source, slow, quick = Pictures(60, live=True, period_s=0.005), Kept(0.05, name="slow"), Kept(name="quick")
    summary = Pipeline(FakeEngine(tiny_spec), source, slots=1).run([slow, quick])
    assert summary.sink_dropped["slow"] > 20
    assert len(slow.frames) + summary.sink_dropped["slow"] == summary.frames
    assert len(quick.frames) + summary.sink_dropped["quick"] == summary.frames


@pytest.mark.parametrize("live", [False, True])
def test_a_failing_source_ends_the_run_and_closes_the_sinks(tiny_spec: ModelSpec, live: bool) -> None:
    kept = Kept()
    with pytest.raises(SourceError, match="unplugged"):
        Pipeline(FakeEngine(tiny_spec), Pictures(50, live, 0.001, fail_at=20)).run([kept])
    assert kept.closed == 1


def test_a_failing_engine_ends_the_run_and_closes_the_sinks(tiny_spec: ModelSpec) -> None:
    kept = Kept()
    with pytest.raises(EngineError, match="told to fail"):
        Pipeline(FakeEngine(tiny_spec, fail_after=5), Pictures(1000)).run([kept])
    assert kept.closed == 1


def test_a_failing_sink_of_a_file_leaves_the_others_whole_and_is_an_error(tiny_spec: ModelSpec) -> None:
    full, other = Kept(fail_at=5, name="full"), Kept(name="other")
    events: list[Event] = []
    with pytest.raises(OutputError, match="disk is full"):
        Pipeline(FakeEngine(tiny_spec), Pictures(200), on_event=events.append).run([full, other])
    assert (full.closed, other.closed) == (1, 1)
    assert other.indices == list(range(200))
    assert [(event.kind, event.source) for event in events] == [("output-ended", "full")]


def test_a_file_whose_only_sink_failed_is_not_inferred_to_its_end(tiny_spec: ModelSpec) -> None:
    source = Pictures(10**6)
    with pytest.raises(OutputError, match="disk is full"):
        Pipeline(FakeEngine(tiny_spec), source).run([Kept(fail_at=5)])
    assert source.given < 1000


def test_a_live_sink_that_cannot_write_rests_and_goes_on(tiny_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sinks.sink.REST_S", 0.05)
    full, other = Kept(fail_at=5, name="full"), Kept(name="other")
    events: list[Event] = []

    def make_room(event: Event) -> None:
        events.append(event)
        full.fail_at = None

    summary = Pipeline(FakeEngine(tiny_spec), Pictures(100, live=True, period_s=0.004), on_event=make_room).run(
        [full, other]
    )
    assert [(event.kind, event.source) for event in events] == [("output-stopped", "full"), ("output-resumed", "full")]
    assert "Inference goes on" in events[0].message
    assert 5 < len(full.frames) < len(other.frames)
    assert summary.sink_dropped["full"] > 0
    assert (full.closed, other.closed) == (1, 1)


def test_a_bug_in_a_live_sink_ends_that_sink_only(tiny_spec: ModelSpec) -> None:
    class Broken(Kept):
        def write(self, *_: object) -> None:
            raise ZeroDivisionError("a bug")

    other = Kept(name="other")
    events: list[Event] = []
    pipeline = Pipeline(FakeEngine(tiny_spec), Pictures(60, live=True, period_s=0.004), on_event=events.append)
    summary = pipeline.run([Broken(name="broken"), other])
    assert summary.sink_errors == {"broken": "a bug"}
    assert [event.kind for event in events] == ["output-ended"]
    assert len(other.frames) > 20


def test_stop_does_not_wait_for_an_inference_that_hangs(tiny_spec: ModelSpec) -> None:
    release, kept = threading.Event(), Kept()
    hang = iter([False] * 10 + [True] * 1000)

    def delay_s() -> float:
        if next(hang):
            release.wait(20)
        return 0.0

    pipeline = Pipeline(FakeEngine(tiny_spec, delay_s=delay_s), Pictures(10**6, live=True, period_s=0.002))
    threading.Timer(1.0, pipeline.stop).start()
    start = time.monotonic()
    pipeline.run([kept])
    assert time.monotonic() - start < 2.8
    assert pipeline.stuck
    assert pipeline.busy_s > 0.5
    assert kept.closed == 1
    assert len(kept.frames) == 10
    release.set()


def test_stop_does_not_wait_for_a_sink_that_hangs(tiny_spec: ModelSpec) -> None:
    release = threading.Event()

    class Hung(Kept):
        def write(self, *_: object) -> None:
            release.wait(20)

    pipeline = Pipeline(FakeEngine(tiny_spec), Pictures(10**6, live=True, period_s=0.002))
    threading.Timer(0.5, pipeline.stop).start()
    start = time.monotonic()
    pipeline.run([Hung()])
    assert time.monotonic() - start < 2.5
    assert pipeline.stuck
    release.set()


def test_a_sink_that_closes_slowly_has_the_time_that_no_inference_needs(tiny_spec: ModelSpec) -> None:
    class Slow(Kept):
        def close(self) -> None:
            time.sleep(1.0)
            super().close()

    sink, pipeline = Slow(), Pipeline(FakeEngine(tiny_spec), Pictures(10**6, live=True, period_s=0.002))
    threading.Timer(0.3, pipeline.stop).start()
    pipeline.run([sink])
    assert not pipeline.stuck
    assert sink.closed == 1


def test_stop_finishes_what_was_begun(tiny_spec: ModelSpec) -> None:
    kept = Kept()
    pipeline = Pipeline(FakeEngine(tiny_spec, delay_s=lambda: 0.05), Pictures(10**6))
    threading.Timer(0.3, pipeline.stop).start()
    start = time.monotonic()
    summary = pipeline.run([kept])
    assert time.monotonic() - start < 1.5
    assert summary.stopped
    assert kept.indices == list(range(summary.frames))
    assert kept.closed == 1


def test_stop_does_not_wait_for_a_silent_camera(tiny_spec: ModelSpec) -> None:
    pipeline = Pipeline(FakeEngine(tiny_spec), Pictures(2, live=True, period_s=4.0))
    threading.Timer(0.1, pipeline.stop).start()
    start = time.monotonic()
    pipeline.run()
    assert time.monotonic() - start < 2.5


def test_an_interrupt_in_the_callers_thread_closes_the_sinks(tiny_spec: ModelSpec) -> None:
    kept = Kept()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline(FakeEngine(tiny_spec), Pictures(1000)).run([kept], interrupt)
    assert kept.closed == 1


@pytest.mark.parametrize("live", [False, True])
def test_max_frames_is_exact(tiny_spec: ModelSpec, live: bool) -> None:
    kept = Kept()
    summary = Pipeline(FakeEngine(tiny_spec), Pictures(10**6, live, 0.0005), slots=3, max_frames=17).run([kept])
    assert summary.frames == len(kept.frames) + summary.sink_dropped["kept"] == 17


def test_times_are_measured(tiny_spec: ModelSpec) -> None:
    engine = FakeEngine(tiny_spec, delay_s=lambda: 0.03)
    summary = Pipeline(engine, Pictures(20), slots=2).run([Kept(delay_s=0.005)])
    assert set(summary.stages) == {"decode", "convert", "resize", "infer", "post", "latency", "sink kept"}
    assert {stage.count for name, stage in summary.stages.items() if name != "decode"} == {20}
    assert 30 <= summary.stages["infer"].p50_ms < 60
    assert summary.stages["infer"].p50_ms <= summary.stages["infer"].p95_ms
    assert summary.stages["latency"].p50_ms > summary.stages["infer"].p50_ms
    assert summary.stages["sink kept"].p50_ms >= 5
    assert summary.seconds >= 0.3
    assert summary.fps == pytest.approx(20 / summary.seconds)
