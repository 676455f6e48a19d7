"""INT8 that crushes confidence and leaves labels as they are is found, told and mended; masks are those a run shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from crushed_net import SPEC, bright_scene, crushed_net, write_bright_data

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import GateFailed
from edgeseg.image import UInt8
from edgeseg.proof.budget import Budget
from edgeseg.runtime.engines.predictor import open_predictor

PICTURES = [bright_scene(seed) for seed in range(100, 112)]
ANY_CONFIDENCE = Budget(max_confidence_change=100, search=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bright_data(tmp_path_factory.mktemp("bright"))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "crushed.onnx"
    onnx.save_model(crushed_net(), str(path))
    return path


@pytest.fixture(scope="module")
def fp32(net: Path, data: Path) -> Artifact:
    return edgeseg.export_model(net, spec=SPEC, data=data, format="openvino", out=net.parent)


@pytest.fixture(scope="module")
def int8(fp32: Artifact, data: Path) -> Artifact:
    """What was handed over without a word before confidence was looked at."""
    return edgeseg.quantize(fp32, data, budget=ANY_CONFIDENCE, out=fp32.path.parent)


def confidence_of(artifact: Artifact) -> UInt8:
    """All pictures through the artifact: they have the network's size, so that nothing is resized."""
    with edgeseg.load(artifact) as model:
        found = [model(image).confidence for image, _ in PICTURES]
    return np.stack([one for one in found if one is not None])


def test_labels_that_stay_do_not_hide_it(fp32: Artifact, data: Path, tmp_path: Path) -> None:
    told = r"the confidence of \w+ moved by 4\d\.\d\d points; `max_confidence_change` is 5"
    with pytest.raises(GateFailed, match=told) as failed:
        edgeseg.quantize(fp32, data, budget=Budget(search=False), out=tmp_path)
    comparison = failed.value.comparison
    assert comparison.stages[1].agreement == 1, "no label changed"
    assert comparison.drop(comparison.stages[1]) == 0
    assert [miss.field for miss in failed.value.misses] == ["max_confidence_change"]


def test_the_figures_are_what_numpy_says(fp32: Artifact, int8: Artifact) -> None:
    before, after = (confidence_of(one).astype(float) / 255 for one in (fp32, int8))
    truth = np.stack([mask for _, mask in PICTURES])
    told = int8.measured["confidence"]
    moved = np.abs(before - after)
    assert told["mean_change_points"] == pytest.approx(100 * moved.mean())
    for k, name in enumerate(SPEC.classes):
        assert told["class_change_points"][name] == pytest.approx(100 * moved[(before >= 0.5) == k].mean())
    assert told["crossing_percent"] == pytest.approx(100 * ((before >= 128 / 255) != (after >= 128 / 255)).mean())
    for stage, stated in zip(int8.measured["stages"].values(), (before, after), strict=True):
        bins = np.clip(np.ceil(stated * 15).astype(int) - 1, 0, 14)
        error = sum(
            (bins == m).mean() * abs(stated[bins == m].mean() - truth[bins == m].mean()) for m in np.unique(bins)
        )
        assert stage["confidence"]["calibration_error"] == pytest.approx(error)
    first, second = (one["confidence"]["calibration_error"] for one in int8.measured["stages"].values())
    assert first < 0.05
    assert second > 0.3


def test_the_report_has_both_figures_and_the_diagram(int8: Artifact) -> None:
    report = json.loads((int8.path / "report.json").read_text())
    check = next(one for one in report["verdict"]["checks"] if one["field"] == "max_confidence_change")
    assert (check["limit"], check["passed"]) == (100, True)
    assert check["lost"] == max(int8.measured["confidence"]["class_change_points"].values())
    page = (int8.path / "report.html").read_text()
    assert "<h2>Confidence</h2>" in page
    assert page.count("of the answers</title>") == sum(
        len(one["confidence"]["reliability"]) for one in int8.measured["stages"].values()
    )


def test_the_search_gives_the_confidence_back(fp32: Artifact, data: Path, tmp_path: Path) -> None:
    mended = edgeseg.quantize(fp32, data, out=tmp_path)
    ladder = mended.measured["ladder"]
    assert ladder["chosen"]
    assert ladder["rungs"][0]["confidence_change"] > 40
    assert "confidence moved" in (mended.path / "report.html").read_text()
    assert max(mended.measured["confidence"]["class_change_points"].values()) <= 5


def test_the_command_line_prints_and_limits_it(
    fp32: Artifact, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", str(fp32.path), "--data", str(data), "--out", str(tmp_path), "--no-search"]
    assert main(words) == 1
    assert "--max-confidence-change is 5" in capsys.readouterr().err
    assert main([*words, "--max-confidence-change", "60"]) == 0
    told = capsys.readouterr().out
    assert "crossed the threshold" in told
    assert "confidence of" in told


class TestThreshold:
    """With a threshold of 0.9 the same INT8 model shows no foreground at all."""

    @pytest.fixture(scope="class")
    @staticmethod
    def sure(net: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        out = tmp_path_factory.mktemp("sure")
        return edgeseg.export_model(net, spec=SPEC.replace(threshold=0.9), data=data, format="openvino", out=out)

    def test_the_masks_are_those_that_a_run_shows(self, sure: Artifact, data: Path, tmp_path: Path) -> None:
        with pytest.raises(GateFailed) as failed:
            edgeseg.quantize(sure, data, budget=ANY_CONFIDENCE, out=tmp_path)
        before, after = failed.value.comparison.stages
        assert after.confusion.predicted[1] == 0
        assert before.confusion.predicted[1] == self._shown(sure)
        assert "max_drop" in [miss.field for miss in failed.value.misses]

    def test_the_figure_of_a_float_artifact_is_that_of_evaluate(self, sure: Artifact, data: Path) -> None:
        (stage,) = (one for name, one in sure.measured["stages"].items() if name == "openvino fp32")
        assert sure.measured["masks"] == "as shown"
        assert stage["mean_iou"] == edgeseg.evaluate(sure, data).confusion.mean_iou

    @staticmethod
    def _shown(artifact: Artifact) -> int:
        with open_predictor(artifact) as predict:
            return sum(int(predict(image).sum()) for image, _ in PICTURES)


def test_an_unknown_label_is_compared_too() -> None:
    """Two classes and no background: what is not sure becomes 255 in both forms, and counts where it differs."""
    from edgeseg.proof.compare import compare
    from edgeseg.proof.samples import synthetic_samples
    from edgeseg.proof.stage import Stage
    from edgeseg.runtime.engines.predictor import Examined
    from edgeseg.spec import ModelSpec

    spec = ModelSpec("multiclass", ("sky", "road"), 64, 64, threshold=0.5)

    def form(shift: int) -> Stage:
        def examine(image: UInt8) -> Examined:
            sure = np.clip(image[..., 1].astype(int) + shift, 0, 255).astype(np.uint8)
            plain = (image[..., 0] < 128).astype(np.uint8)
            return Examined(np.where(sure < 128, np.uint8(255), plain), plain, sure)

        return Stage(f"shifted {shift}", lambda image: examine(image).labels, examine)

    found = compare([form(0), form(9)], synthetic_samples(spec), spec)
    images = np.stack([sample.read()[0][..., 1] for sample in synthetic_samples(spec)]).astype(int)
    crossed = ((images < 128) != (np.clip(images + 9, 0, 255) < 128)).mean()
    stage = found.stages[1]
    assert 1 - stage.agreement == pytest.approx(crossed)
    assert stage.confidence is not None
    assert stage.confidence.change.crossing == pytest.approx(crossed)
    moved = np.abs(np.clip(images + 9, 0, 255) - images).mean() / 2.55
    assert stage.confidence.change.mean_points == pytest.approx(moved)
