"""Every picture that a real camera sent is counted once, by two counts that know nothing of each other.

What the capture process says it received must be what became results, was dropped, or came too late.
"""

from __future__ import annotations

import pytest
from fake_engine import FakeEngine
from fault_camera import FaultCamera, StartCamera

from edgeseg.runtime.cameras.address import parse_address
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.cameras.live_source import StreamSource
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.selected import SelectedFeed
from edgeseg.runtime.sources.selection import Selection
from edgeseg.runtime.summary import Summary
from edgeseg.spec import ModelSpec

LIMITS = Limits(timeout_s=5, open_timeout_s=60)
RESULTS = 30


class Indices:
    name, newest_only = "indices", False

    def __init__(self) -> None:
        self.found: list[int] = []

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        self.found.append(frame.index)

    def close(self) -> None:
        pass


def run_until_lost(
    camera: FaultCamera,
    spec: ModelSpec,
    delay_s: float,
    selection: Selection = Selection(),  # noqa: B008
) -> tuple[Summary, int, list[int]]:
    """Run a slow engine on the camera, kill it after some results, and stop when that is noticed.

    Returns:
        The summary, what the capture process received, and the indices of the results.
    """
    pipelines: list[Pipeline] = []
    cameras = StreamSource([parse_address(camera.url, "cam")], LIMITS, lambda event: stop_if_lost(event, pipelines))
    source = cameras if selection == Selection() else SelectedFeed(cameras, selection)
    sink = Indices()

    def kill() -> None:
        if pipelines[0].frames == RESULTS:
            camera.kill()

    with source:
        pipelines.append(Pipeline(FakeEngine(spec, delay_s=lambda: delay_s), source, 2))
        summary = pipelines[0].run([sink], kill)
    return summary, cameras.cameras[0].counts["received"], sink.found


def stop_if_lost(event: Event, pipelines: list[Pipeline]) -> None:
    if event.kind == "lost":
        pipelines[0].stop()


@pytest.mark.parametrize("delay_s", [0.0, 0.15])
def test_each_picture_of_a_camera_is_counted_once(
    fault_camera: StartCamera, tiny_spec: ModelSpec, delay_s: float
) -> None:
    summary, received, indices = run_until_lost(fault_camera("ok"), tiny_spec, delay_s)
    assert summary.received == received == summary.frames + summary.dropped + summary.stale
    assert summary.frames >= RESULTS
    assert indices == sorted(set(indices))
    assert indices[-1] < received
    if delay_s:
        assert summary.dropped > RESULTS / 2


def test_pictures_that_were_held_back_are_counted_once_and_as_stale(
    fault_camera: StartCamera, tiny_spec: ModelSpec
) -> None:
    summary, received, _ = run_until_lost(fault_camera("hiccup", after=0.5), tiny_spec, 0.1)
    assert summary.received == received == summary.frames + summary.dropped + summary.stale
    assert summary.stale > 10


def test_of_a_selection_each_picture_is_counted_once(fault_camera: StartCamera, tiny_spec: ModelSpec) -> None:
    summary, received, indices = run_until_lost(fault_camera("ok"), tiny_spec, 0.15, Selection(every=2))
    assert summary.received == summary.frames + summary.dropped + summary.stale
    assert received / 2 - 1 <= summary.received <= received
    assert len({index // 2 for index in indices}) == len(indices)
