"""Sinks of a run that goes on for days: several cameras, restarts, disks that fill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.camera_names import make_slugs
from edgeseg.runtime.sinks.jsonl import JsonlSink
from edgeseg.runtime.sinks.masks import MaskSink
from edgeseg.runtime.sinks.window import WindowSink
from edgeseg.spec import ModelSpec


def frame(index: int = 0, source: str = "door") -> Frame:
    return Frame(np.full((48, 64, 3), 60, np.uint8), index, 100.0 + index / 10, source)


@pytest.fixture
def labels(tiny_spec: ModelSpec) -> Prediction:
    return Prediction(np.zeros((tiny_spec.height, tiny_spec.width), np.uint8))


@pytest.mark.parametrize(
    ("sources", "slugs"),
    [
        (["door", "yard"], ["door", "yard"]),
        (["0", "/dev/v4l/by-id/usb-Cam_1-video"], ["0", "dev-v4l-by-id-usb-Cam_1-video"]),
        (["rtsp://***@10.0.0.7:554/live", "http://b/x?y=1"], ["10.0.0.7-554-live", "b-x-y-1"]),
        (["Küche", "../../etc"], ["Küche", "etc"]),
        (["a/b:c*d", "..\\x y"], ["a-b-c-d", "x-y"]),
    ],
)
def test_cameras_have_names_that_files_can_have(sources: list[str], slugs: list[str]) -> None:
    assert list(make_slugs(sources).values()) == slugs


def test_names_that_differ_stay_different() -> None:
    sources = ["Door", "door", "door!", "***", "??", "x" * 200 + "1", "x" * 200 + "2", "rtsp://a/b", "http://a/b"]
    slugs = make_slugs(sources)
    assert list(slugs) == sources
    assert len({slug.casefold() for slug in slugs.values()}) == len(sources)
    assert max(map(len, slugs.values())) <= 40
    assert make_slugs(sources[::-1]) == slugs


def test_names_hold_no_password() -> None:
    slugs = make_slugs(["rtsp://admin:s3cret@cam/1", "rtsp://admin:other@cam/1", "http://cam/1?token=s3cret"])
    assert len(set(slugs.values())) == 3
    assert not any(word in slug for slug in slugs.values() for word in ("s3cret", "admin", "other"))


def test_masks_of_several_cameras_have_folders_of_their_own(
    tmp_path: Path, tiny_spec: ModelSpec, labels: Prediction
) -> None:
    sink = MaskSink(tmp_path, tiny_spec, ["door", "yard"])
    for source in ("door", "yard"):
        sink.write(frame(3, source), labels, 1.0)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")) == [
        "door/000003.png",
        "yard/000003.png",
    ]


def test_a_run_that_starts_again_leaves_the_masks_that_are_there(
    tmp_path: Path, tiny_spec: ModelSpec, labels: Prediction
) -> None:
    for _ in range(2):
        sink = MaskSink(tmp_path, tiny_spec, live=True)
        for number in range(2):
            sink.write(frame(number), labels, 1.0)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names[:2] == ["000000.png", "000001.png"]
    assert [name.partition("Z-")[2] for name in names[2:]] == ["000000.png", "000001.png"]


def test_lines_say_which_camera_without_its_password(tmp_path: Path, tiny_spec: ModelSpec, labels: Prediction) -> None:
    sink = JsonlSink(tmp_path / "x.jsonl", tiny_spec)
    for source in ("door", "rtsp://admin:s3cret@cam/1"):
        sink.write(frame(0, source), labels, 1.0)
    sink.close()
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["door", "rtsp://***@cam/1"]


@pytest.mark.parametrize("torn", ["", '{"index": 1, "ti'])
def test_a_run_that_starts_again_adds_to_the_lines_that_are_there(
    tmp_path: Path, tiny_spec: ModelSpec, labels: Prediction, torn: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"index": 0}\n' + torn)
    sink = JsonlSink(path, tiny_spec, live=True)
    for number in (7, 8):
        sink.write(frame(number), labels, 1.0)
    sink.close()
    lines = path.read_text().splitlines()
    assert lines[0] == '{"index": 0}'
    assert lines[1:-2] == ([torn] if torn else [])
    assert [json.loads(line)["index"] for line in lines[-2:]] == [7, 8]


def test_lines_are_begun_anew_unless_adding_is_asked(tmp_path: Path, tiny_spec: ModelSpec, labels: Prediction) -> None:
    (tmp_path / "x.jsonl").write_text('{"index": 0}\n')
    sink = JsonlSink(tmp_path / "x.jsonl", tiny_spec)
    sink.write(frame(7), labels, 1.0)
    sink.close()
    assert [json.loads(line)["index"] for line in (tmp_path / "x.jsonl").read_text().splitlines()] == [7]


class FakeScreen:
    """OpenCV's windows without a display: which are open, and what they show."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: dict[str, int] = {}
        self.key = -1
        monkeypatch.setattr(cv2, "imshow", self._show)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda title, _: 1.0 if title in self.shown else 0.0)
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.key)
        monkeypatch.setattr(cv2, "destroyAllWindows", self.shown.clear)

    def _show(self, title: str, _: object) -> None:
        self.shown[title] = self.shown.get(title, 0) + 1


@pytest.mark.parametrize(
    ("sources", "titles"),
    [((), ["edgeseg"]), (["door"], ["edgeseg"]), (["door", "yard"], ["edgeseg: door", "edgeseg: yard"])],
)
def test_each_camera_has_a_window(
    tiny_spec: ModelSpec,
    labels: Prediction,
    monkeypatch: pytest.MonkeyPatch,
    sources: Sequence[str],
    titles: list[str],
) -> None:
    screen = FakeScreen(monkeypatch)
    sink = WindowSink(tiny_spec, lambda: None, sources)
    for source in sources or ["clip.mp4"]:
        sink.write(frame(0, source), labels, 1.0)
    assert sorted(screen.shown) == titles
    sink.close()
    assert not screen.shown


def test_closing_the_last_window_or_q_ends_the_run(
    tiny_spec: ModelSpec, labels: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, asked = FakeScreen(monkeypatch), list[bool]()
    sink = WindowSink(tiny_spec, lambda: asked.append(True), ["door", "yard"])

    def show() -> None:
        for source in ("door", "yard"):
            sink.write(frame(0, source), labels, 1.0)

    show()
    del screen.shown["edgeseg: door"]
    show()
    assert sorted(screen.shown) == ["edgeseg: yard"]
    assert not asked
    del screen.shown["edgeseg: yard"]
    show()
    assert asked == [True]
    assert not screen.shown

    screen.key = ord("q")
    WindowSink(tiny_spec, lambda: asked.append(True)).write(frame(), labels, 1.0)
    assert asked == [True, True]
