"""Calls that measure: verify, evaluate and check; each gives figures and prints nothing."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgeseg
from edgeseg.api.check import check
from edgeseg.runtime.measure.baseline import read_baseline
from edgeseg.runtime.measure.results import RESULTS, describe_evaluation, write_evaluation


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six noisy pictures, with masks that follow their brightness."""
    root = tmp_path_factory.mktemp("data")
    for kind in ("images", "masks"):
        (root / kind / "val").mkdir(parents=True)
    for seed in range(6):
        image = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "images" / "val" / f"{seed}.png"), image)
        cv2.imwrite(str(root / "masks" / "val" / f"{seed}.png"), image.mean(2).astype(np.uint8) // 86)
    (root / "classes.txt").write_text("sky\nroad\ntree\n")
    return root


@pytest.fixture(scope="module")
def onnx(tiny_artifact):
    return tiny_artifact("onnx")


@pytest.fixture(scope="module")
def openvino(tiny_artifact):
    return tiny_artifact("openvino")


def test_verify_puts_artifacts_and_paths_side_by_side(onnx, openvino, data, capfd):
    told = []
    comparison = edgeseg.verify([onnx, str(openvino.path)], data, progress=lambda *step: told.append(step))
    assert [stage.name for stage in comparison.stages] == ["onnx fp32", "openvino fp32"]
    assert comparison.stages[1].agreement > 0.99
    assert (comparison.images, comparison.labelled) == (6, True)
    assert told[-1] == ("verify", 6, 6)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("models", ["artifact", []])
def test_verify_takes_a_list(models, data):
    with pytest.raises(edgeseg.UserError, match="`models` is a list with at least one model"):
        edgeseg.verify(models, data)


def test_evaluate_scores_and_its_results_can_be_written(openvino, data, tmp_path, capfd):
    evaluation = edgeseg.evaluate(openvino, data)
    assert (evaluation.images, evaluation.split, evaluation.ignore_index) == (6, "val", 255)
    assert 0 <= evaluation.confusion.mean_iou <= 1
    result = describe_evaluation(evaluation, openvino)
    write_evaluation(tmp_path, result, evaluation, openvino.spec)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(RESULTS)
    assert json.loads((tmp_path / "results.json").read_text())["iou"] == evaluation.to_dict()["iou"]
    assert capfd.readouterr() == ("", "")


def test_evaluate_with_another_threshold_gives_other_scores(tiny_artifact, tiny_spec, data):
    artifact = tiny_artifact("openvino", tiny_spec.replace(threshold=0.5))
    plain, strict = (
        edgeseg.evaluate(artifact, data, threshold=threshold).confusion.counts for threshold in (None, 0.99)
    )
    assert not np.array_equal(plain, strict)


def test_a_check_gives_every_gate_and_saves_a_baseline(openvino, tmp_path, capfd):
    checked = check(openvino, max_latency_ms=1e-6, save_baseline=tmp_path / "latency.json")
    assert [gate.passed for gate in checked.gates] == [False]
    assert checked.failed == checked.gates
    assert checked.saved_ratio == read_baseline(tmp_path / "latency.json", openvino).ratio
    again = check(openvino.path, baseline=tmp_path / "latency.json", max_slowdown=1000)
    assert (again.failed, again.saved_ratio) == ((), None)
    assert capfd.readouterr() == ("", "")


def test_a_baseline_is_of_the_cpu(openvino, tmp_path):
    with pytest.raises(edgeseg.UserError, match="A baseline is a ratio to CPU work"):
        check(openvino, save_baseline=tmp_path / "latency.json", device="CPU.0")
