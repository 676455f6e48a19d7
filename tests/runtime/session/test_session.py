"""A run from Python: the same settings that ``edgeseg run`` makes of its flags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from linear_model import ArtifactMaker

from edgeseg.errors import OutputError, SourceError
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.session.session import RunSession
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sources.selection import Selection
from edgeseg.runtime.sources.settings import SourceSettings


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


def test_a_clip_becomes_lines(artifact: Path, clip: Path, tmp_path: Path) -> None:
    outputs = OutputSettings(jsonl=tmp_path / "o.jsonl")
    frames = 0

    def count() -> None:
        nonlocal frames
        frames += 1

    with RunSession(RunSettings(artifact, SourceSettings(str(clip), Selection(every=4)), outputs)) as session:
        summary = session.run(count)
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert (summary.frames, frames, [line["index"] for line in lines]) == (10, 10, list(range(0, 40, 4)))
    session.close()


def test_a_camera_says_what_happens_and_is_closed(artifact: Path) -> None:
    events: list[Event] = []
    settings = RunSettings(artifact, SourceSettings("test://cells?fps=25&size=96x64"), max_frames=3)
    with RunSession(settings, events.append) as session:
        assert not session.progress().frames
        assert session.run().frames == 3
        assert session.progress().frames == 3
    assert next(iter(events)).kind == "connected"
    assert session.source.cameras[0].pid is None  # type: ignore[attr-defined]


def test_what_would_lie_over_the_source_is_refused_before_the_work(artifact: Path, clip: Path) -> None:
    with pytest.raises(OutputError, match="is read here and would be written over"):
        RunSession(RunSettings(artifact, SourceSettings(str(clip)), OutputSettings(save=clip)))


def test_the_file_that_settings_came_from_is_not_written_over(artifact: Path, clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "camera.toml"
    config.write_text("slots = 1\n")
    with pytest.raises(OutputError, match=r"camera\.toml is read here"):
        RunSession(RunSettings(artifact, SourceSettings(str(clip)), OutputSettings(jsonl=config), config=config))
    assert config.read_text() == "slots = 1\n"


def test_a_source_that_is_not_there_is_said(artifact: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no source 'nowhere\.mp4'"):
        RunSession(RunSettings(artifact, SourceSettings("nowhere.mp4")))
