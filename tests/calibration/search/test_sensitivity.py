"""Layers of a quantised model in float again, and which of them make the noise."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.calibration.quantizers.int8_ir_from_ir import int8_ir_from_ir
from edgeseg.calibration.quantizers.ir_in_float import in_float, quantised_layers
from edgeseg.calibration.quantizers.onnx_in_float import OnnxInFloat
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.quantizers.recipe import USUAL
from edgeseg.calibration.search.sensitivity import at_risk, probes, ranking
from edgeseg.graphs.ir_file import read_ir
from edgeseg.runtime.engines.openvino_core import shared_core

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture(scope="module")
def pair(built):
    """The float and the INT8 model of the network with a skip."""
    return read_ir(built[1].artifact.model_path), read_ir(built[2].artifact.model_path)


def logits(model, tensors):
    compiled = shared_core().compile_model(model, "CPU", F32)
    return [compiled(tensor)["logits"].copy() for tensor in tensors]


def test_with_every_layer_in_float_it_is_the_float_model(pair, images):
    parent, quantised = pair
    tensors = probes(images)
    back = in_float(quantised, parent, quantised_layers(quantised))
    assert "FakeQuantize" not in {node.get_type_name() for node in back.get_ops()}
    for found, wanted in zip(logits(back, tensors), logits(parent, tensors), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert at_risk(logits(quantised, tensors), logits(parent, tensors)) > 1e-5


def test_a_layer_behind_a_concat_is_freed_without_touching_the_others(pair):
    parent, quantised = pair
    readers = [
        node.get_friendly_name()
        for node in quantised.get_ordered_ops()
        if any(value.get_node().get_type_name() == "Concat" for value in node.input_values())
    ]
    back = in_float(quantised, parent, readers)
    assert quantised_layers(back) == tuple(name for name in quantised_layers(quantised) if name not in readers)
    assert len(readers) == 1


def test_undoing_a_layer_is_no_noisier_than_leaving_it_out(pair, images):
    parent, quantised = pair
    tensors = probes(images)
    signal = logits(parent, tensors)
    plain = at_risk(logits(quantised, tensors), signal)
    for name in [layer for layer in quantised_layers(quantised) if "conv" in layer.lower()]:
        left_out = logits(int8_ir_from_ir(parent, images, keep_float=[name]), tensors)
        undone = logits(in_float(quantised, parent, [name]), tensors)
        assert at_risk(undone, signal) < at_risk(left_out, signal) + 0.05 * plain, name


@pytest.mark.parametrize("model_format", ["onnx", "tensorrt"])
def test_q_dq_files_give_float_logits_when_everything_is_in_float(outlier, images, model_format):
    parent = outlier[model_format]
    model = OnnxInFloat(quantizer_for(model_format), parent, images, USUAL)
    tensors = probes(images, 2)
    ov = shared_core().compile_model(read_ir(outlier["openvino"].model_path), "CPU", F32)
    labels = [ov(tensor)["labels"] for tensor in tensors]
    for found, wanted in zip(model.logits(model.layers, tensors), labels, strict=True):
        assert np.mean(found.argmax(1) == wanted) > 0.999


def test_risk_does_not_count_what_all_classes_share():
    rng = np.random.default_rng(0)
    wanted = [rng.normal(size=(1, 3, 4, 5)).astype(np.float32)]
    assert at_risk([wanted[0] + 7], wanted) == pytest.approx(0, abs=1e-7)
    single = [rng.normal(size=(1, 1, 4, 5)).astype(np.float32)]
    assert at_risk([single[0] + 1], single) > 0.3, "one logit has a threshold, so a shift counts"


def test_the_same_noise_risks_more_where_the_network_is_unsure():
    noise = np.array([0.1, -0.1], np.float32).reshape(1, 2, 1, 1)
    sure, unsure = (np.array([margin, 0.0], np.float32).reshape(1, 2, 1, 1) for margin in (10.0, 1.0))
    assert at_risk([unsure + noise], [unsure]) == pytest.approx(0.02, rel=1e-5)
    assert at_risk([sure + noise], [sure]) == pytest.approx(0.0002, rel=1e-4)
    assert at_risk([unsure + 100 * noise], [unsure]) == 1, "a label changes once, however loud the noise"


def test_no_margin_is_not_a_division_by_zero():
    flat = [np.zeros((1, 3, 2, 2), np.float32)]
    assert at_risk(flat, flat) == 0
    assert at_risk([np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)], flat) == 1
    assert np.isnan(at_risk([np.full((1, 3, 2, 2), np.nan, np.float32)], flat))


def test_the_noisiest_comes_first_and_what_is_no_number_before_all():
    assert ranking({"a": 0.1, "b": float("nan"), "c": 0.5, "d": 0.0}) == ("b", "c", "a", "d")
