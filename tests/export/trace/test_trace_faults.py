"""Planted faults: each is caught at its own layer, and named."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from faults import (
    flipped_corners,
    narrow_fake_quantise,
    narrow_quantiser,
    outlier_channel,
    swapped_channels,
    with_tensor,
    wrong_mean_std,
)
from fitted import SPEC, scene
from sinet_spec import AUTHORS

from edgeseg.artifact import writing_artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.int8_ir_from_ir import int8_ir_from_ir
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.quantizers.recipe import USUAL
from edgeseg.cli import main
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.graphs.ir_from_onnx import ir_from_onnx
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.trace.form import NORMALISED
from edgeseg.export.trace.onnx_form import OnnxForm
from edgeseg.export.trace.open_forms import exact_onnx_form, onnx_form, openvino_form
from edgeseg.export.trace.openvino_form import OpenVinoForm
from edgeseg.export.trace.trace import trace
from edgeseg.graphs.ir_file import read_ir, save_ir
from edgeseg.image import fit
from edgeseg.proof.samples import samples_from
from edgeseg.spec import ModelSpec

pytestmark = [pytest.mark.isa, pytest.mark.long]

AUTHORS_STD = tuple(one / 255 for one in AUTHORS.std)
OUTPUTS = ("labels", "confidence", "logits")
FINE, COARSE, HEAD = "net/fine.0.weight", "net/coarse.0.weight", "net/head.weight"
CONSUMERS = {COARSE: 5, HEAD: 5}


@pytest.fixture(scope="module")
def images():
    return [fit(scene(seed)[0], SPEC) for seed in (500, 501)]


@pytest.fixture(scope="module")
def model(built):
    return onnx.load(str(built[0].artifact.model_path))


@pytest.fixture(scope="module")
def reference(model):
    return OnnxForm("fp32", model)


@pytest.fixture(scope="module")
def signed(built, data, tmp_path_factory):
    """Signed Q/DQ, made for TensorRT."""
    folder = tmp_path_factory.mktemp("tensorrt")
    images = load_set(data, SPEC, 8)
    quantizer_for("tensorrt").quantize(built[0].artifact, images, USUAL, folder, lambda: None)
    return folder / "model.onnx"


def openvino_of(model, folder, name="openvino"):
    onnx.save_model(model, str(folder / "m.onnx"))
    ir_from_onnx(folder / "m.onnx", folder / "m.xml", SPEC, OUTPUTS)
    return openvino_form(folder / "m.xml", name)


def found(reference, model, images):
    result = trace(reference, model, images).finding
    assert result is not None, "the planted fault was not found"
    return result


def test_wrong_mean_and_std_are_named_with_their_values(reference, model, images, tmp_path):
    other = wrong_mean_std(model, SPEC.replace(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)))
    finding = found(reference, openvino_of(other, tmp_path), images)
    assert finding.layer == NORMALISED
    assert "mean is (0.5, 0.5, 0.5), the reference has (0.485, 0.456, 0.406)" in finding.cause
    assert "std is (0.25, 0.25, 0.25), the reference has (0.229, 0.224, 0.225)" in finding.cause
    assert "exchanged" not in finding.cause


def test_a_wrong_std_alone_is_not_called_a_wrong_mean(reference, model, images):
    finding = found(reference, OnnxForm("m", wrong_mean_std(model, SPEC.replace(std=(0.3, 0.3, 0.3)))), images)
    assert "std is (0.3, 0.3, 0.3)" in finding.cause
    assert "mean is" not in finding.cause


def test_swapped_channels_are_named(reference, model, images, tmp_path):
    finding = found(reference, openvino_of(swapped_channels(model), tmp_path), images)
    assert finding.layer == NORMALISED
    assert "channels 0 and 2 of the input are exchanged" in finding.cause


def test_swapped_channels_and_a_wrong_mean_are_both_named(reference, model, images):
    other = swapped_channels(wrong_mean_std(model, SPEC.replace(mean=(0.5, 0.5, 0.5))))
    cause = found(reference, OnnxForm("m", other), images).cause
    assert "channels 0 and 2 of the input are exchanged" in cause
    assert "mean is (0.5, 0.5, 0.5)" in cause


def test_aligned_corners_are_named_at_the_resize(reference, model, images, tmp_path):
    finding = found(reference, openvino_of(flipped_corners(model), tmp_path), images)
    assert finding.layer == "net/upsample_bilinear2d"
    assert "linear with align_corners=True where the reference does linear with align_corners=False" in finding.cause


@pytest.mark.parametrize(("weights", "layer"), [(FINE, "net/getitem"), (COARSE, "net/conv2d_1"), (HEAD, "net/logits")])
def test_changed_weights_are_found_in_their_own_layer(reference, model, images, weights, layer):
    def change(values):
        values[1] += np.random.default_rng(0).normal(0, values.std(), values[1].shape)
        return values

    finding = found(reference, OnnxForm("m", with_tensor(model, weights, change)), images)
    assert finding.layer == layer
    assert "output channel 1: the weights of that channel differ" in finding.cause


def test_a_changed_bias_is_named(reference, model, images):
    finding = found(reference, OnnxForm("m", with_tensor(model, "net/coarse.0.bias", lambda b: b + 0.5)), images)
    assert finding.layer == "net/conv2d_1"
    assert "shifted" in finding.cause
    assert "its bias differs" in finding.cause


def test_weights_that_are_nan_are_named(reference, model, images):
    def change(values):
        values[3] = np.nan
        return values

    finding = found(reference, OnnxForm("m", with_tensor(model, COARSE, change)), images)
    assert finding.layer == "net/conv2d_1"
    assert "NaN or infinite, most in channel 3" in finding.cause


def test_an_outlier_channel_is_named_with_its_layer(model, data, images, tmp_path):
    planted = outlier_channel(model, FINE, CONSUMERS, 5, 300.0)
    openvino_of(planted, tmp_path)
    quantised = int8_ir_from_ir(read_ir(tmp_path / "m.xml"), load_set(data, SPEC, 8))
    save_ir(quantised, tmp_path / "int8.xml")
    finding = found(OnnxForm("fp32", planted), openvino_form(tmp_path / "int8.xml", "int8"), images)
    assert finding.layer in ("net/conv2d_1", "logits")
    assert "channel 5 of its input net/" in finding.cause
    assert "is an outlier" in finding.cause


def test_an_outlier_changes_nothing_in_float(reference, model, images):
    planted = outlier_channel(model, FINE, CONSUMERS, 5, 300.0)
    whole = reference.whole(), OnnxForm("m", planted).whole()
    first, second = (run(images[0]).logits for run in whole)
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_a_quantiser_that_saturates_is_named_in_a_qdq_file(reference, signed, images, tmp_path):
    onnx.save_model(narrow_quantiser(onnx.load(str(signed)), "net/relu"), str(tmp_path / "narrow.onnx"))
    finding = found(reference, exact_onnx_form(tmp_path / "narrow.onnx", "m"), images)
    assert finding.layer == "net/conv2d_1"
    assert "the quantiser of its input net/relu saturates" in finding.cause
    assert "% of the values are outside" in finding.cause


def test_a_quantiser_that_saturates_is_named_in_an_openvino_model(reference, built, images, tmp_path):
    path = narrow_fake_quantise(read_ir(built[2].artifact.model_path), "net/relu", tmp_path / "narrow.xml")
    finding = found(reference, openvino_form(path, "int8"), images)
    assert finding.layer == "net/conv2d_1"
    assert "the quantiser of its input net/relu saturates" in finding.cause


def test_a_fused_kernel_that_differs_from_its_graph_is_noticed(reference, built, images):
    """OpenVINO 2026.4.1 fuses the reorder of channels wrongly when a converted model is compiled at once."""
    converted = OpenVinoForm("converted", openvino.convert_model(built[0].artifact.model_path))
    finding = found(reference, converted, images)
    assert "a fused kernel of this engine computes something else than the graph says" in finding.cause


def test_a_file_for_tensorrt_is_right_in_its_stand_in(reference, signed, images):
    assert trace(reference, onnx_form(signed, "tensorrt"), images).finding is None


TRACE_IN_OPENVINO = """
import sys
from pathlib import Path

from fitted import SPEC, scene

from edgeseg.export.trace.trace import trace
from edgeseg.export.trace.open_forms import onnx_form
from edgeseg.image import fit

images = [fit(scene(seed)[0], SPEC) for seed in (500, 501)]
reference = onnx_form(Path(sys.argv[1]), "onnx")
finding = trace(reference, onnx_form(Path(sys.argv[2]), "openvino"), images).finding
print(finding.layer, finding.cause, sep="|")
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="integer kernels of x86")
def test_a_file_for_tensorrt_in_openvino_is_called_the_wrong_engine(built, signed):
    """OpenVINO 2026.4.1 on AVX2: sums of signed 8-bit products saturate. With VNNI they do not."""
    here = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", TRACE_IN_OPENVINO, str(built[0].artifact.model_path), str(signed)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONPATH": str(here)},
    )
    assert done.returncode == 0, done.stderr
    layer, cause = done.stdout.strip().split("|")
    assert layer.startswith("net/")
    assert "with its integer kernels switched off this engine computes the layer rightly" in cause
    assert "the wrong engine" in cause


def test_the_command_line_refuses_a_file_for_another_engine(built, signed, data, tmp_path, capsys):
    reference = str(built[0].artifact.path)
    assert main(["verify", reference, str(signed), "--data", str(data), "--trace"]) == 2
    assert "is a bare file, not an edgeseg artifact" in capsys.readouterr().err
    mixed = {"name": "m", "precision": "int8", "format": "onnx", "spec": SPEC, "outputs": list(OUTPUTS)}
    with writing_artifact(tmp_path / "m-int8-onnx", mixed) as staged:
        shutil.copy(signed, staged / "model.onnx")
    assert main(["verify", reference, str(tmp_path / "m-int8-onnx"), "--data", str(data), "--trace"]) == 2
    assert "was quantised for tensorrt and is not run by onnxruntime" in capsys.readouterr().err


@pytest.fixture(scope="module")
def sinet(data_dir):
    """A real third-party network and what it sees of two photographs."""
    source = source_net(data_dir / "models" / "sinet_320.onnx", AUTHORS)
    samples = samples_from(data_dir / "person_voc", source.spec).spread(2)
    return deployed_graph(source.proto, source.spec), [fit(one.read()[0], source.spec) for one in samples]


def test_flipped_corners_are_named_in_a_real_network(sinet):
    model, photographs = sinet
    first = next(node for node in model.graph.node if node.op_type == "Resize").output[0]
    finding = found(OnnxForm("fp32", model), OnnxForm("m", flipped_corners(model)), photographs)
    assert finding.layer == first
    assert "linear with align_corners=False where the reference does linear with align_corners=True" in finding.cause


def test_changed_weights_are_found_in_their_own_layer_of_a_real_network(sinet):
    model, photographs = sinet
    weights = {one.name for one in model.graph.initializer}
    convolutions = [n for n in model.graph.node if n.op_type == "Conv" and n.input[1] in weights]
    for node in convolutions[len(convolutions) // 2], convolutions[-1]:
        broken = with_tensor(model, node.input[1], lambda w: np.roll(w, 1, 0))
        assert found(OnnxForm("fp32", model), OnnxForm("m", broken), photographs).layer == node.output[0]


def test_a_wrong_mean_is_named_in_a_real_network(sinet):
    model, photographs = sinet
    other = ModelSpec("binary", ("a", "b"), 320, 320, "bgr", (0.485, 0.456, 0.406), AUTHORS_STD)
    finding = found(OnnxForm("fp32", model), OnnxForm("m", wrong_mean_std(model, other)), photographs)
    assert finding.layer == NORMALISED
    assert "mean is (0.485, 0.456, 0.406), the reference has (0.4035, 0.4363, 0.4977)" in finding.cause
    assert "std is" not in finding.cause
