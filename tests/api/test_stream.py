"""A stream gives every frame of a file and the newest of a camera, and leaves nothing running behind."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeseg
from edgeseg.errors import UserError
from edgeseg.image import fit
from edgeseg.runtime.engines.threshold import threshold_for
from edgeseg.runtime.sources.source import open_source

CELLS = "test://cells?fps=60&size=160x120"


def test_every_frame_of_a_file_comes_in_order_with_its_labels(place: Path) -> None:
    with edgeseg.load("cells-int8-openvino", slots=3) as model:
        found = list(model.stream("street.mp4"))
        assert [frame.index for frame, _ in found] == list(range(40))
        with open_source("street.mp4") as source:
            for (frame, result), again in zip(found, source, strict=True):
                assert np.array_equal(frame.image, again.image)
                assert np.array_equal(result.labels, model(again.image).labels)
        assert result.image is frame.image


def test_folders_are_sources_too(model: edgeseg.Model) -> None:
    assert [frame.name for frame, _ in model.stream("photos")] == ["a.png", "b.png"]
    assert [frame.name for frame, _ in model.stream(Path("photos"))] == ["a.png", "b.png"]


def test_a_slow_reader_of_a_camera_gets_the_newest_frame(model: edgeseg.Model) -> None:
    with model.stream(CELLS) as frames:
        ages, indices = [], []
        for _ in range(8):
            frame, result = next(frames)
            ages.append(time.monotonic() - frame.time_s)
            indices.append(frame.index)
            assert result.labels.shape == (120, 160)
            time.sleep(0.25)
    assert np.all(np.diff(indices) > 0)
    assert np.median(ages) < 1.0
    summary = frames.summary
    assert summary is not None
    assert summary.dropped + summary.sink_dropped["stream"] > 8


def test_leaving_the_loop_closes_the_camera(model: edgeseg.Model) -> None:
    before = set(threading.enumerate())
    for _frame, _result in model.stream(CELLS):
        break
    gc.collect()
    deadline = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    assert model("photo.png").labels.shape == (360, 480)


def test_a_model_answers_inside_the_loop_of_its_stream(model: edgeseg.Model) -> None:
    for frame, result in model.stream("street.mp4", max_frames=5):
        assert np.array_equal(model(frame.image).labels, result.labels)


def test_only_some_frames_are_taken(model: edgeseg.Model) -> None:
    assert [frame.index for frame, _ in model.stream("street.mp4", every=10)] == [0, 10, 20, 30]
    assert [frame.index for frame, _ in model.stream("street.mp4", max_fps=2)] == [0, 10, 20, 30]
    assert [frame.index for frame, _ in model.stream("street.mp4", max_frames=3)] == [0, 1, 2]


def test_what_a_stream_did_is_known_at_its_end(model: edgeseg.Model) -> None:
    frames = model.stream("street.mp4")
    assert frames.summary is None
    count = sum(1 for _ in frames)
    assert frames.summary is not None
    assert (frames.summary.frames, frames.summary.received, frames.summary.stopped) == (count, 40, False)
    assert list(frames) == []
    frames.close()


@pytest.mark.parametrize(
    ("source", "words"), [("none.mp4", "There is no source 'none.mp4'"), ("notes.txt", "is not a video")]
)
def test_a_source_that_is_not_there_is_named(model: edgeseg.Model, place: Path, source: str, words: str) -> None:
    (place / "notes.txt").write_text("no video")
    with pytest.raises(edgeseg.SourceError, match=words):
        next(model.stream(source))


@pytest.mark.parametrize(
    ("options", "error"),
    [({"source": 3}, edgeseg.SourceError)]
    + [({"source": "street.mp4", name: 0}, edgeseg.UserError) for name in ("every", "max_fps", "max_frames")],
)
def test_what_selects_nothing_is_refused_at_once(model: edgeseg.Model, options: Any, error: Any) -> None:
    with pytest.raises(error, match=r"found (0|3)"):
        model.stream(**options)


def test_what_happens_to_a_source_is_told(place: Path) -> None:
    (place / "photos" / "ab.png").write_bytes(b"no picture")
    events: list[Any] = []
    with edgeseg.load("cells-int8-openvino", on_event=events.append) as model:
        assert len(list(model.stream("photos"))) == 2
    assert [event.kind for event in events] == ["damaged"]
    assert "ab.png" in str(events[0])


def test_the_threshold_is_that_of_the_model(place: Path) -> None:
    with edgeseg.load("cells-int8-openvino", threshold=0.8) as model, open_source("street.mp4") as source:
        slot = model._engine.open_slot()
        apply = threshold_for(model.artifact, 0.8)
        for again, (_, result) in zip(source, model.stream("street.mp4"), strict=True):
            fit(again.image, model.spec, out=slot.input)
            assert np.array_equal(result.prediction.labels, apply(slot.run()).labels)


def test_labels_are_kept_while_nothing_changes(model: edgeseg.Model) -> None:
    always = [result for _, result in model.stream("street.mp4")]
    found = [result for _, result in model.stream("street.mp4", when_changed=100)]
    assert [result.reused for result in found[:3]] == [False, True, True]
    assert np.array_equal(found[1].labels, always[0].labels)
    assert not any(result.reused for result in always)
    with pytest.raises(UserError, match="when_changed"):
        model.stream("street.mp4", when_changed="often")  # type: ignore[arg-type]
