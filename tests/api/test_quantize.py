"""A float artifact becomes a proven INT8 one by a call, or the error says with figures why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from fitted import SPEC, fitted_net, write_dataset

import edgeseg
from edgeseg.calibration.images.load_set import load_set
from edgeseg.errors import DataWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*nearly repeat:edgeseg.errors.DataWarning")
WIDE = edgeseg.Budget(5, 100, 100)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def fp32(data: Path, tmp_path_factory: pytest.TempPathFactory) -> edgeseg.Artifact:
    return edgeseg.export_model(fitted_net(), spec=SPEC, data=data, out=tmp_path_factory.mktemp("out"), name="shapes")


@pytest.fixture(scope="module")
def white(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibration images from which nothing good can come."""
    folder = tmp_path_factory.mktemp("white")
    for seed in range(8):
        image = np.random.default_rng(seed).integers(250, 256, (64, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{seed}.png"), image)
    return folder


def test_int8_is_made_proven_and_placed_beside_its_parent(fp32, data, capfd):
    told = []
    int8 = edgeseg.quantize(fp32, data, budget=WIDE, count=10, progress=lambda *step: told.append(step))
    assert capfd.readouterr() == ("", "")
    assert int8.path == fp32.path.parent / "shapes-int8-openvino"
    assert int8.measured["drop_points"] <= 5
    assert (int8.measured["split"], int8.calibration["split"], int8.calibration["images"]) == ("val", "train", 10)
    assert "report.html" in int8.files
    assert {step[0] for step in told} >= {"choose images", "look at images"}
    assert all(done >= 0 for _, done, _ in told)


def test_a_budget_that_cannot_be_held_is_told_in_figures(fp32, data, white, tmp_path, capfd):
    budget = edgeseg.Budget(max_drop=0.5, search=False)
    with pytest.raises(edgeseg.GateFailed) as caught:
        edgeseg.quantize(fp32.path, white, eval_data=data, budget=budget, out=tmp_path)
    error = caught.value
    assert error.misses[0].limit == 0.5
    stage = error.comparison.stages[-1]
    assert error.misses[0].points == error.comparison.drop(stage) > 0.5
    assert error.comparison.images == 8
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    assert capfd.readouterr() == ("", "")


def test_an_impossible_budget_fails_after_the_search_with_the_same_data(fp32, data, white, tmp_path):
    with pytest.raises(edgeseg.GateFailed) as caught:
        edgeseg.quantize(fp32, white, eval_data=data, budget=edgeseg.Budget(0, 0, 0), out=tmp_path)
    assert caught.value.misses
    assert caught.value.comparison.reference.name == "openvino fp32"


def test_few_images_are_warned_of(fp32, data, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((data / "images" / "train").iterdir())[:4]:
        shutil.copy(path, few)
    budget = edgeseg.Budget(100, search=False)
    with pytest.warns(DataWarning, match="Only 2 calibration images"):
        int8 = edgeseg.quantize(fp32, few, budget=budget, out=tmp_path)
    assert int8.measured["images"] == 2, "the others prove"
    assert int8.measured["iou_against"] == "masks of openvino fp32"


def test_a_set_that_was_chosen_calibrates(fp32, data, tmp_path):
    chosen = load_set(data, SPEC, 9, seed=3)
    int8 = edgeseg.quantize(fp32, chosen, eval_data=data, budget=WIDE, out=tmp_path, name="other")
    assert int8.path == tmp_path / "other-int8-openvino"
    assert int8.calibration["digest"] == chosen.digest


def test_every_engine_has_its_int8(fp32, data, tmp_path):
    onnx = fp32.path.parent / "shapes-fp32-onnx"
    for model_format in ("onnx", "tensorrt"):
        int8 = edgeseg.quantize(onnx, data, format=model_format, budget=WIDE, count=10, out=tmp_path)
        assert int8.path.name == f"shapes-int8-{model_format}"
    half = edgeseg.quantize(onnx, data, format="tensorrt", half=True, budget=WIDE, count=10, out=tmp_path, name="half")
    assert "tensorrt.json" in half.files
    assert "half" in half.measured


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "shots/*.jpg"}, "There is no shots/\\*.jpg; `eval_data` is a data folder"),
        ({"eval_data": "nowhere"}, "There is no nowhere; `eval_data`"),
        ({"method": "magic"}, "one of minmax, entropy"),
        ({"budget": 0.5}, "`budget` is an edgeseg.Budget; found float 0.5"),
        ({"keep_float": "conv_1"}, "`keep_float` is a list of names"),
        ({"half": True}, "`half` and `build` are for TensorRT"),
        ({"name": ".x"}, "`name` is a plain name"),
        ({"count": 0}, "must be at least 1; found 0"),
        ({"format": "onnx"}, "starts from an fp32 onnx artifact"),
        ({"format": "tflite"}, "No engine runs 'tflite' artifacts; known formats are"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(fp32, data, changes, message, tmp_path):
    with pytest.raises(edgeseg.UserError, match=message):
        edgeseg.quantize(fp32, **{"images": data, "out": tmp_path / "out", **changes})
    assert not (tmp_path / "out").exists()


def test_a_set_alone_proves_nothing(fp32, data):
    with pytest.raises(edgeseg.UserError, match="INT8 is proven as well as made: give `eval_data`"):
        edgeseg.quantize(fp32, load_set(data, SPEC, 9))
