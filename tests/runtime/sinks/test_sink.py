from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from edgeseg.errors import OutputError
from edgeseg.image import UInt8, read_mask, unfit
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.jsonl import JsonlSink
from edgeseg.runtime.sinks.masks import MaskSink
from edgeseg.runtime.sinks.painter import Painter
from edgeseg.runtime.sinks.sink import Sink
from edgeseg.runtime.sinks.video import VideoSink, check_video_path
from edgeseg.runtime.sources.source import open_source
from edgeseg.spec import ModelSpec


def frame(index: int = 0, name: str = "", height: int = 48, width: int = 64, media_s: float | None = None) -> Frame:
    image = np.full((height, width, 3), 60 + index, np.uint8)
    return Frame(image, index, 100.0 + index / 10, "test", name, index / 10 if media_s is None else media_s)


def halves(spec: ModelSpec, left: int = 0, right: int = 1) -> Prediction:
    labels = np.full((spec.height, spec.width), left, np.uint8)
    labels[:, spec.width // 2 :] = right
    return Prediction(labels)


def write_all(sink: Sink, frames: list[Frame], prediction: Prediction) -> None:
    for each in frames:
        sink.write(each, prediction, 5.0)
    sink.close()


def read_video(path: Path) -> list[UInt8]:
    with open_source(str(path)) as source:
        return [each.image for each in source]


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_a_video_has_the_frames_the_masks_and_the_times(tmp_path: Path, tiny_spec: ModelSpec, ending: str) -> None:
    path = tmp_path / "new" / f"out.{ending}"
    pictures = [frame(n, height=200, width=300) for n in range(25)]
    write_all(VideoSink(path, tiny_spec, 10.0), pictures, halves(tiny_spec))
    with open_source(str(path)) as source:
        frames = list(source)
        assert (source.total, source.ended_early) == (25, False)
    assert [round(each.media_s or 0, 2) for each in frames] == [n / 10 for n in range(25)]
    right = frames[3].image[120:, 170:].reshape(-1, 3).mean(0)[::-1]
    expected = (np.array(tiny_spec.palette[1]) + 63) / 2
    assert np.abs(right - expected).max() < 8
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_gap_in_the_source_stays_a_gap_in_the_video(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    frames = [frame(0), frame(1), frame(7)]
    write_all(VideoSink(tmp_path / "out.mp4", tiny_spec, 10.0), frames, halves(tiny_spec))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [round(each.time, 2) for each in container.decode(video=0)] == [0, 0.1, 0.7]


def test_odd_sizes_and_changes_of_size_are_recorded(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    frames = [frame(0, height=47, width=63), frame(1, height=100, width=200)]
    write_all(VideoSink(tmp_path / "out.mp4", tiny_spec, 10.0), frames, halves(tiny_spec))
    assert [image.shape for image in read_video(tmp_path / "out.mp4")] == [(48, 64, 3)] * 2


def test_until_it_is_closed_a_video_has_a_partial_name_and_plays(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    sink = VideoSink(tmp_path / "out.mp4", tiny_spec, 10.0)
    for number in range(35):
        sink.write(frame(number), halves(tiny_spec), 5.0)
    assert [p.name for p in tmp_path.iterdir()] == ["out.partial.mp4"]
    assert len(read_video(tmp_path / "out.partial.mp4")) >= 25
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert len(read_video(tmp_path / "out.mp4")) == 35


def test_a_finished_video_is_replaced_only_by_a_finished_one(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    (tmp_path / "out.mp4").write_bytes(b"yesterday")
    sink = VideoSink(tmp_path / "out.mp4", tiny_spec, 10.0)
    sink.write(frame(), halves(tiny_spec), 5.0)
    assert (tmp_path / "out.mp4").read_bytes() == b"yesterday"
    sink.close()
    assert len(read_video(tmp_path / "out.mp4")) == 1


def test_a_video_without_frames_is_not_made(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    VideoSink(tmp_path / "out.mp4", tiny_spec, None).close()
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_is_refused() -> None:
    with pytest.raises(OutputError, match=r"saved as .mp4, .mov, .mkv; found 'out.gif'"):
        check_video_path(Path("out.gif"))


def test_masks_hold_label_indices_at_the_frames_size(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    prediction = halves(tiny_spec, 2, 255)
    write_all(MaskSink(tmp_path / "m", tiny_spec), [frame(7), frame(8, "a.b.jpg")], prediction)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["000007.png", "a.b.png"]
    assert np.array_equal(read_mask(tmp_path / "m" / "000007.png"), unfit(prediction.labels, tiny_spec, (48, 64)))


def test_masks_of_letterboxed_frames_have_no_bars(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    spec = tiny_spec.replace(resize="letterbox")
    labels = np.full((spec.height, spec.width), 2, np.uint8)
    labels[:, 8:24] = 1  # a 30 x 20 picture lies in the middle 16 columns
    write_all(MaskSink(tmp_path, spec), [frame(height=30, width=20)], Prediction(labels))
    assert np.all(read_mask(tmp_path / "000000.png") == 1)


def test_images_of_the_same_name_do_not_overwrite_each_others_masks(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    frames = [frame(0, "a.png"), frame(1, "a.jpg"), frame(2, "a.png")]
    write_all(MaskSink(tmp_path, tiny_spec), frames, halves(tiny_spec))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a_000001.png", "a_000002.png"]


def test_jsonl_has_one_object_a_frame(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    write_all(JsonlSink(tmp_path / "x.jsonl", tiny_spec), [frame(3), frame(4, "b.png")], halves(tiny_spec))
    records = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [r["index"] for r in records] == [3, 4]
    assert records[0]["media_s"] == 0.3
    assert records[1]["name"] == "b.png"
    assert records[0]["latency_ms"] == 5.0
    assert records[0]["classes"] == {"sky": 0.5, "road": 0.5, "tree": 0.0, "unknown": 0.0}


def test_jsonl_counts_unknown_pixels(tmp_path: Path, tiny_spec: ModelSpec) -> None:
    write_all(JsonlSink(tmp_path / "x.jsonl", tiny_spec), [frame()], halves(tiny_spec, 255, 2))
    classes = json.loads((tmp_path / "x.jsonl").read_text())["classes"]
    assert classes == {"sky": 0.0, "road": 0.0, "tree": 0.5, "unknown": 0.5}


def test_a_painted_frame_keeps_hidden_classes_bright(tiny_spec: ModelSpec) -> None:
    spec = tiny_spec.replace(classes=("background", "road", "tree"))
    picture = Painter(spec).paint(frame(height=400, width=600), halves(spec))
    assert np.all(picture[300:, :290] == 60)
    assert np.abs(picture[300:, 310:].reshape(-1, 3).mean(0)[::-1] - (np.array(spec.palette[1]) + 60) / 2).max() < 2


def test_a_legend_that_does_not_fit_is_left_out_and_said_once(tiny_spec: ModelSpec) -> None:
    spec = tiny_spec.replace(classes=tuple(f"class {i}" for i in range(20)), palette=None)
    said: list[str] = []
    painter = Painter(spec, say=said.append)
    for _ in range(3):
        small = painter.paint(frame(height=144, width=176), halves(spec))
    assert said == ["A legend of 20 classes would cover over 15 % of pictures of 176x144 and is left out."]
    assert np.array_equal(small, Painter(spec, legend=False).paint(frame(height=144, width=176), halves(spec)))
    large = painter.paint(frame(height=480, width=640), halves(spec))
    assert not np.array_equal(large, Painter(spec, legend=False).paint(frame(height=480, width=640), halves(spec)))


def test_painting_leaves_the_frame_alone(tiny_spec: ModelSpec) -> None:
    original = frame()
    Painter(tiny_spec).paint(original, halves(tiny_spec))
    assert np.all(original.image == 60)
