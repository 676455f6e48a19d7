"""Healthy models raise no alarm; the figures are what their definition says; the verb prints and draws them."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import onnx
import pytest
import torch
from faults import with_tensor
from fitted import SPEC, scene

from edgeseg.artifact import writing_artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.quantizers.recipe import USUAL
from edgeseg.cli import main
from edgeseg.errors import UserError
from edgeseg.export.trace.onnx_form import OnnxForm
from edgeseg.export.trace.open_forms import checkpoint_form, onnx_form, openvino_form
from edgeseg.export.trace.report import trace_text
from edgeseg.export.trace.snr import Noise, snr_db
from edgeseg.export.trace.trace import FLOAT_FLOOR_DB, INT8_FLOOR_DB, trace
from edgeseg.image import fit
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint

pytestmark = pytest.mark.isa


@pytest.fixture(scope="module")
def images():
    return [fit(scene(seed)[0], SPEC) for seed in (500, 501)]


@pytest.fixture(scope="module")
def forms(built):
    """The fitted network in float by two engines, and INT8."""
    first, second, third = (one.artifact.model_path for one in built)
    return onnx_form(first, "onnx", "onnx"), openvino_form(second, "openvino"), openvino_form(third, "int8")


def test_snr_is_ten_times_the_logarithm_of_power_over_error_power():
    signal = np.full((1, 2, 4, 4), 10, np.float32)
    other = signal.copy()
    other[:, 1] += 1
    noise = Noise()
    noise.add(signal, other)
    assert noise.snr_db == pytest.approx(10 * math.log10(2 * 100 / 1))
    assert noise.by_channel_db == pytest.approx([math.inf, 20])
    assert noise.worst_channel == 1
    assert noise.cosine == pytest.approx((10 * 10 + 10 * 11) / math.sqrt((100 + 100) * (100 + 121)))


def test_snr_over_two_images_is_of_the_sums_and_not_the_mean_of_two():
    noise = Noise()
    for level, error in ((1, 0.5), (100, 1)):
        values = np.full((1, 1, 2, 2), level, np.float32)
        noise.add(values, values + np.float32(error))
    assert noise.snr_db == pytest.approx(10 * math.log10((1 + 10000) / (0.25 + 1)))


def test_equal_tensors_are_exact_and_silence_against_noise_has_no_signal():
    zeros, ones = np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 1, 2, 2), np.float32)
    assert snr_db(ones, ones) == math.inf
    assert snr_db(zeros, zeros) == math.inf
    assert snr_db(zeros, ones) == -math.inf


def test_a_value_that_is_not_finite_makes_the_figure_nan_and_is_counted():
    values = np.ones((1, 2, 2, 2), np.float32)
    broken = values.copy()
    broken[0, 1, 0, 0] = np.inf
    noise = Noise()
    noise.add(values, broken)
    assert math.isnan(noise.snr_db)
    assert noise.not_finite == 1
    assert noise.worst_channel in (0, 1)


@pytest.mark.parametrize(("reference", "model"), [(0, 1), (1, 0)])
def test_two_engines_in_float_do_not_diverge(forms, images, reference, model):
    result = trace(forms[reference], forms[model], images)
    assert result.finding is None
    assert result.floor_db == FLOAT_FLOOR_DB
    assert min(one.own.snr_db for one in result.layers) > 100
    assert result.agreement == 1
    assert len(result.layers) == 8


@pytest.mark.parametrize("reference", [0, 1])
def test_a_healthy_int8_model_does_not_diverge(forms, images, reference):
    result = trace(forms[reference], forms[2], images)
    assert result.finding is None
    assert result.floor_db == INT8_FLOOR_DB
    assert INT8_FLOOR_DB < result.weakest.own.snr_db < FLOAT_FLOOR_DB
    assert "no layer diverges" in trace_text(result)


@pytest.mark.parametrize(("quantizer", "engine"), [("onnx", "onnx"), ("tensorrt", "tensorrt")])
def test_healthy_qdq_files_do_not_diverge(forms, built, data, images, tmp_path, quantizer, engine):
    found = load_set(data, SPEC, 8)
    quantizer_for(quantizer).quantize(built[0].artifact, found, USUAL, tmp_path, lambda: None)
    result = trace(forms[0], onnx_form(tmp_path / "model.onnx", engine), images)
    assert result.finding is None
    assert result.weakest.own.snr_db < FLOAT_FLOOR_DB
    assert len(result.layers) >= 7


def test_own_noise_is_not_handed_on_but_total_noise_is(forms, built, images):
    """A layer behind a broken one is not blamed."""
    model = onnx.load(str(built[0].artifact.model_path))
    broken = OnnxForm("m", with_tensor(model, "net/fine.0.weight", lambda w: w * 1.5))
    layers = {one.layer.name: one for one in trace(forms[0], broken, images).layers}
    assert layers["net/getitem"].own.snr_db < 20
    assert layers["net/conv2d_1"].total.snr_db < 20
    assert layers["net/conv2d_1"].own.snr_db > 100


def test_a_layer_names_the_layers_that_it_takes(forms):
    for form in forms[:2]:
        sources = {layer.name: set(layer.sources) for layer in form.layers}
        assert sources["net/cat"] == {"net/relu", "net/upsample_bilinear2d"}
        assert sources["net/getitem"] == {"edgeseg/normalised"}


def test_layers_carry_the_name_of_their_weights(forms):
    for form in forms[:2]:
        titles = {layer.name: layer.title for layer in form.layers}
        assert titles["net/conv2d_1"] == "net/conv2d_1 (coarse.0)"
        assert titles["net/cat"] == "net/cat"


def test_an_unknown_engine_is_refused(built):
    with pytest.raises(UserError, match="no engine 'onix' to trace in; there is onnx, openvino, tensorrt"):
        onnx_form(built[0].artifact.model_path, "onix")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    spec = ModelSpec("binary", ("background", "cell"), 32, 48, "gray", (0.5,), (0.25,))
    path = tmp_path_factory.mktemp("run") / "best.pt"
    options = {"width": 0.25}
    state = build_model("unet", spec, options).state_dict()
    save_checkpoint(path, {"name": "unet", "options": options}, spec, state, {})
    return path


def test_a_checkpoint_is_traced_by_its_layers_and_by_the_logits_of_torch(checkpoint):
    form, spec = checkpoint_form(checkpoint)
    assert form.name == "torch"
    assert form.layers[-1].name == "logits"
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 1), np.uint8)
    result = trace(form, form, [pixels])
    assert result.finding is None
    assert result.logits.snr_db == math.inf
    assert spec.channels == 1


def test_the_verb_prints_json_and_draws_a_picture(built, data, tmp_path, capsys):
    paths = [str(one.artifact.path) for one in built]
    picture = tmp_path / "t.png"
    arguments = ["--data", str(data), "--trace", "--trace-images", "2", "--trace-out", str(picture), "--json"]
    assert main(["verify", *paths, *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["model"] for one in found["traces"]] == ["openvino fp32", "openvino int8"]
    assert all(one["finding"] is None and one["images"] == 2 for one in found["traces"])
    assert [layer["op"] for layer in found["traces"][1]["layers"]][:3] == ["Add", "Conv", "Relu"]
    assert found["traces"][1]["layers"][1]["weights"] == "net/fine.0.weight"
    drawn = cv2.imread(str(picture))
    assert drawn.shape[0] > 800
    assert drawn.std() > 10


def artifact_of(model, folder, spec=SPEC):
    manifest = {"name": "m", "precision": "fp32", "format": "onnx", "spec": spec, "outputs": ["labels"]}
    with writing_artifact(folder / "m-fp32-onnx", manifest) as staged:
        onnx.save_model(model, str(staged / "model.onnx"))
    return str(folder / "m-fp32-onnx")


def test_a_diverging_model_exits_with_1_and_marks_the_layer(built, data, tmp_path, capsys):
    broken = with_tensor(onnx.load(str(built[0].artifact.model_path)), "net/head.weight", lambda w: w * 1.1)
    models = str(built[0].artifact.path), artifact_of(broken, tmp_path)
    arguments = ["--data", str(data), "--trace", "--trace-images", "1", "--trace-out", str(tmp_path / "t.png")]
    assert main(["verify", *models, *arguments]) == 1
    out, err = capsys.readouterr()
    marked = [line.split()[1:3] for line in out.splitlines() if "diverges here" in line]
    assert marked == [["net/logits", "(head)"]]
    assert "first to diverge: net/logits (head): " in err
    assert (tmp_path / "t.png").is_file()


@pytest.mark.parametrize(
    ("models", "extra", "message"),
    [
        ((2, 0), (), "is INT8; a trace starts from float"),
        ((0,), (), "--trace compares a reference with at least one other model"),
        ((0, 1), ("--trace-out", "t.svg"), "--trace-out is a PNG file; found t.svg"),
    ],
)
def test_mistakes_get_one_sentence(built, data, capsys, models, extra, message):
    paths = [str(built[at].artifact.path) for at in models]
    assert main(["verify", *paths, "--data", str(data), "--trace", *extra]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


def test_models_of_other_classes_are_refused(built, data, tmp_path, capsys):
    other = artifact_of(onnx.load(str(built[0].artifact.model_path)), tmp_path, SPEC.replace(classes=("a", "b", "c")))
    arguments = ["--data", str(data), "--trace", "--trace-out", str(tmp_path / "t.png")]
    assert main(["verify", str(built[0].artifact.path), other, *arguments]) == 2
    assert "has the classes a, b, c at 64x96" in capsys.readouterr().err
