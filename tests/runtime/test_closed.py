"""What is closed says so when it is used again; closing it twice is nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fake_engine import FakeEngine

from edgeseg.errors import EngineError, OutputError, SourceError
from edgeseg.runtime.events.event import ignore_event
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.source_protocol import Source
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.recording.recording import Recording, RecordingPolicy
from edgeseg.runtime.recording.video_file import VideoFile
from edgeseg.runtime.sinks.class_shares import ShareSink
from edgeseg.runtime.sinks.jsonl import JsonlSink
from edgeseg.runtime.sinks.likeness_watch import LikenessSink
from edgeseg.runtime.sinks.lines.file import LineFile
from edgeseg.runtime.sinks.lines.pieces import Pieces, Rotation
from edgeseg.runtime.sinks.lines.stream import LineStream
from edgeseg.runtime.sinks.masks import MaskSink
from edgeseg.runtime.sinks.pictures import PictureSink
from edgeseg.runtime.sinks.save_target import SaveTarget
from edgeseg.runtime.sinks.sink import Sink
from edgeseg.runtime.sinks.video import VideoSink
from edgeseg.runtime.sinks.window import WindowSink
from edgeseg.runtime.sources.opencv_camera import CameraSource
from edgeseg.runtime.sources.paced import PacedSource
from edgeseg.runtime.sources.source import open_source
from edgeseg.spec import ModelSpec

PICTURE = np.full((48, 64, 3), 90, np.uint8)
FRAME = Frame(PICTURE, 0, 1.0, "test", "", 0.0)

SINKS: dict[str, Callable[[Path, ModelSpec], Sink]] = {
    "masks": lambda folder, spec: MaskSink(folder / "masks", spec),
    "pictures": lambda folder, spec: PictureSink(SaveTarget(folder=folder / "pictures"), spec),
    "video": lambda folder, spec: VideoSink(folder / "out.mkv", spec, 10.0),
    "live video": lambda folder, spec: VideoSink(folder / "out.mkv", spec, 10.0, RecordingPolicy(live=True)),
    "jsonl": lambda folder, spec: JsonlSink(folder / "out.jsonl", spec),
    "jsonl to a device": lambda folder, spec: JsonlSink(Path("/dev/null"), spec),
    "shares": lambda folder, spec: ShareSink(spec),
    "likeness": lambda folder, spec: LikenessSink([], ignore_event),
}


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize("writes", [0, 1])
def test_a_closed_sink_refuses(kind: str, writes: int, tmp_path: Path, tiny_spec: ModelSpec) -> None:
    sink = SINKS[kind](tmp_path, tiny_spec)
    prediction = Prediction(np.zeros((tiny_spec.height, tiny_spec.width), np.uint8))
    for _ in range(writes):
        sink.write(FRAME, prediction, 1.0)
    sink.close()
    sink.close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="closed"):
        sink.write(FRAME, prediction, 1.0)
    sink.close()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_closed_window_refuses(tiny_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imshow", lambda *_: pytest.fail("it was opened again"))
    sink = WindowSink(tiny_spec, lambda: None)
    sink.close()
    sink.close()
    with pytest.raises(OutputError, match="closed"):
        sink.write(FRAME, Prediction(np.zeros((tiny_spec.height, tiny_spec.width), np.uint8)), 1.0)


@pytest.mark.parametrize("live", [False, True])
def test_a_closed_recording_refuses(live: bool, tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.mkv", 10.0, RecordingPolicy(live=live), ignore_event, "test")
    recording.write(PICTURE, 0.0)
    recording.close()
    recording.close()
    with pytest.raises(OutputError, match="closed"):
        recording.write(PICTURE, 1.0)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".mkv"] == ["out.mkv"]


@pytest.mark.parametrize("end", ["finish", "abandon"])
def test_a_closed_video_file_refuses(end: str, tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "a.partial.mp4", tmp_path / "a.mp4", Fraction(10), False, lambda _: None)
    video.encode(PICTURE, 0.0)
    getattr(video, end)()
    getattr(video, end)()
    with pytest.raises(OutputError, match="closed"):
        video.encode(PICTURE, 1.0)


@pytest.mark.parametrize("writes", [0, 1])
def test_closed_lines_refuse(writes: int, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for lines in (
        LineFile(path, Pieces(path, Rotation(), False, lambda *_, **__: None)),
        LineStream(Path("/dev/null")),
    ):
        for _ in range(writes):
            lines.write(b"line\n")
        lines.close()
        lines.close()
        with pytest.raises(OutputError, match="closed"):
            lines.write(b"line\n")
    assert path.exists() == bool(writes)


def sources(folder: Path, clip: Path) -> list[Source]:
    cv2.imwrite(str(folder / "a.png"), PICTURE)
    cv2.imwrite(str(folder / "b.png"), PICTURE)
    return [open_source(str(folder)), open_source(str(clip)), PacedSource(open_source(str(clip)))]


def test_a_closed_source_refuses(tmp_path: Path, clip: Path) -> None:
    for source in sources(tmp_path, clip):
        with source:
            begun = iter(source)
            next(begun)
        source.__exit__(None, None, None)
        for use in (begun, iter(source)):
            with pytest.raises(SourceError, match="closed"):
                next(use)


def test_a_closed_camera_refuses() -> None:
    source = open_source("test://cells?fps=30&size=64x48", on_event=ignore_event)
    with source:
        assert next(iter(source)).image.shape == (48, 64, 3)
    source.__exit__(None, None, None)
    with pytest.raises(SourceError, match="closed"):
        next(iter(source))
    with pytest.raises(SourceError, match="closed"), source:
        pass


def test_a_closed_camera_of_this_machine_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    class Capture:
        def __init__(self, *_: Any) -> None:
            self.isOpened, self.get, self.release = (lambda: True), (lambda _: 30.0), (lambda: None)
            self.read = lambda: (True, PICTURE)

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr("edgeseg.runtime.sources.opencv_camera._check_present", lambda *_: None)
    with CameraSource("0") as source:
        begun = iter(source)
        next(begun)
    source.__exit__(None, None, None)
    with pytest.raises(SourceError, match="closed"):
        next(begun)


def test_a_pipeline_runs_once(tiny_spec: ModelSpec, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    with open_source(str(tmp_path)) as source:
        pipeline = Pipeline(FakeEngine(tiny_spec), source)
        assert pipeline.run().frames == 1
        with pytest.raises(EngineError, match="a pipeline runs once"):
            pipeline.run()


def test_a_pipeline_does_not_run_on_a_closed_engine(tiny_spec: ModelSpec, clip: Path) -> None:
    engine = FakeEngine(tiny_spec)
    with open_source(str(clip)) as source:
        pipeline = Pipeline(engine, source)
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            pipeline.run()
        with pytest.raises(EngineError, match="closed"):
            Pipeline(engine, source)


def test_a_video_may_be_closed_while_another_thread_reads_it(long_clip: Path) -> None:
    """FFmpeg crashed the process when a file was closed under a read."""
    for _ in range(5):
        errors: list[BaseException] = []
        began = threading.Event()

        def read(source: Source, errors: list[BaseException] = errors, began: threading.Event = began) -> None:
            try:
                for _ in source:
                    began.set()
            except SourceError as error:
                errors.append(error)

        with open_source(str(long_clip)) as source:
            reader = threading.Thread(target=read, args=(source,))
            reader.start()
            assert began.wait(10)
        reader.join(10)
        assert "closed" in str(errors[0])
