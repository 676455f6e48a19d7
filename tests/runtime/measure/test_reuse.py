"""What is said about keeping masks is what a run with the same settings really does."""

from __future__ import annotations

import json
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import UserError
from edgeseg.runtime.analysis.settings import WhenChanged
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.engines.threshold import threshold_for
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.measure.reuse import PERCENTS, measure_reuse
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.sources.source import open_source


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still scene of 60 frames; a bright square walks through the middle third of them."""
    path = tmp_path_factory.mktemp("walk") / "walk.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=20, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(60):
            picture = np.full((120, 160, 3), (40, 60, 80), np.uint8)
            if 20 <= number < 40:
                picture[40:80, 4 * number - 60 : 4 * number - 30] = 230
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 20)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


class Masks:
    name, newest_only = "masks", False

    def __init__(self) -> None:
        self.found: list[Prediction] = []

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        self.found.append(prediction)

    def close(self) -> None:
        pass


def masks_of(artifact: Artifact, clip: Path, settings: WhenChanged | None) -> list[Prediction]:
    masks = Masks()
    with closing(open_engine(artifact, slots=2)) as engine, open_source(str(clip)) as source:
        Pipeline(engine, source, 2, threshold_for(artifact), when_changed=settings).run([masks])
    return masks.found


@pytest.mark.parametrize("change", [0.0, 1.0, 5.0])
def test_the_cost_is_that_of_the_masks_of_a_run(walk: Path, tiny_artifact: ArtifactMaker, change: float) -> None:
    artifact = tiny_artifact("openvino")
    report = measure_reuse(artifact, walk, change, refresh_s=0.5)
    cost = report.chosen
    assert cost is not None
    assert report.frames == 60
    kept = masks_of(artifact, walk, WhenChanged(change, 0.5))
    own = masks_of(artifact, walk, None)
    assert cost.inferred == sum(not one.reused for one in kept)
    a, b = np.stack([one.labels for one in kept]), np.stack([one.labels for one in own])
    ious = [((a == k) & (b == k)).sum() / ((a == k) | (b == k)).sum() for k in np.unique(b)]
    assert cost.mean_iou == pytest.approx(float(np.mean(ious)), abs=1e-9)
    frames = [(x != y).any() for x, y in zip(a, b, strict=True)]
    assert not any(frames) or frames[cost.worst_frame]


def test_the_most_that_holds_is_chosen_and_every_threshold_is_told(walk: Path, tiny_artifact: ArtifactMaker) -> None:
    report = measure_reuse(tiny_artifact("openvino"), walk)
    assert [cost.change for cost in report.costs] == list(PERCENTS)
    assert [cost.inferred for cost in report.costs] == sorted((cost.inferred for cost in report.costs), reverse=True)
    fitting = [cost.change for cost in report.costs if cost.drop <= report.max_drop]
    assert report.chosen is not None
    assert report.chosen.change == max(fitting)
    assert report.every_core_ms > 0


def test_a_change_that_loses_too_much_fails_the_gate(
    walk: Path, tiny_artifact: ArtifactMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["verify", str(tiny_artifact("openvino").path), "--when-changed", str(walk)]
    assert main([*words, "--change", "100", "--refresh", "1000", "--json"]) == 1
    out, errors = capsys.readouterr()
    assert json.loads(out)["holds"] is False
    assert json.loads(out)["chosen"]["inferred"] == 1
    assert "--change 100 loses" in errors
    assert main([*words, "--max-drop", "100"]) == 0
    assert "times less" in capsys.readouterr().out
    assert main(words[:2]) == 2
    assert "--data DIR" in capsys.readouterr().err


def test_one_picture_is_no_clip(tmp_path: Path, tiny_artifact: ArtifactMaker) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(UserError, match="is no video"):
        measure_reuse(tiny_artifact("openvino"), tmp_path / "one.png")
