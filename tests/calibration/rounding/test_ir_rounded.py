"""Weights of OpenVINO's INT8 files: as fine as fits, and put back as the layer shapes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import pytest
from onnx import helper, numpy_helper

from edgeseg.calibration.rounding.ir_rounded import PAIRS, Weights, _kernels, is_coded, round_ir, write_codes
from edgeseg.calibration.rounding.onnx_rounded import _kernels as onnx_kernels
from edgeseg.runtime.engines.openvino_core import shared_core

operations = openvino.opset13


def constant(*shape: int) -> Any:
    return operations.constant(np.random.default_rng(sum(shape)).normal(0, 1, shape).astype(np.float32))


def convolution(image: Any, weights: Any) -> Any:
    return operations.convolution(image, weights, [1, 1], [1, 1], [1, 1], [1, 1])


def grouped(image: Any, weights: Any) -> Any:
    return operations.group_convolution(image, weights, [1, 1], [1, 1], [1, 1], [1, 1])


def transposed(image: Any, weights: Any) -> Any:
    return operations.convolution_backprop_data(image, weights, [2, 2], None, [1, 1], [1, 1], [1, 1])


def grouped_transposed(image: Any, weights: Any) -> Any:
    return operations.group_convolution_backprop_data(image, weights, [2, 2], None, [1, 1], [1, 1], [1, 1])


def product(image: Any, weights: Any) -> Any:
    return operations.matmul(image, weights, False, False)


def turned_product(image: Any, weights: Any) -> Any:
    return operations.matmul(image, weights, False, True)


LAYERS: dict[str, tuple[Callable[[Any, Any], Any], tuple[int, ...], int]] = {
    "convolution": (convolution, (8, 6, 3, 3), 1),
    "an odd number of inputs": (convolution, (8, 3, 3, 3), 1),
    "depthwise": (grouped, (6, 1, 1, 3, 3), 6),
    "grouped": (grouped, (2, 4, 3, 3, 3), 2),
    "transposed": (transposed, (6, 8, 3, 3), 1),
    "grouped and transposed": (grouped_transposed, (2, 3, 4, 3, 3), 2),
    "product": (product, (12, 8), 1),
    "product with the outputs first": (turned_product, (8, 12), 1),
}


def net(layer: str, coded: bool) -> openvino.Model:
    """One layer; with ``coded`` its weights are bytes times scales, all of them zero, as NNCF would write them."""
    make, shape, _ = LAYERS[layer]
    inputs = {2: (1, 6, 9, 12)}.get(len(shape), (1, 3 if layer.startswith("an odd") else 6, 8, 8))
    image = operations.parameter(inputs, np.float32, "image")
    weights = constant(*shape)
    if coded:
        bytes_ = operations.convert(operations.constant(np.zeros(shape, np.int8)), np.float32)
        weights = operations.multiply(bytes_, operations.constant(np.ones((1,) * len(shape), np.float32)))
    node = make(image, weights)
    node.set_friendly_name("layer")
    return openvino.Model([node], [image])


def layer_of(model: openvino.Model) -> Any:
    return next(node for node in model.get_ordered_ops() if node.get_friendly_name() == "layer")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_computes_with_its_codes_what_it_did_with_its_weights(layer: str) -> None:
    plain, coded = net(layer, False), net(layer, True)
    rounded = round_ir(plain, None)
    assert write_codes(coded, rounded) == 0, "rounded to the nearest"
    assert is_coded(layer_of(coded))
    image = np.random.default_rng(0).normal(0, 1, plain.input(0).get_shape()).astype(np.float32)
    found, wanted = (
        np.asarray(shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)[0])
        for model in (coded, plain)
    )
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize("layer", LAYERS)
def test_codes_are_as_large_as_fits_and_no_larger(layer: str) -> None:
    codes = round_ir(net(layer, False), None)["layer"].values
    weights = Weights.read(layer_of(net(layer, False)), codes)
    assert weights is not None
    assert np.array_equal(weights.write(weights.rows, codes.shape), codes)
    largest = np.abs(weights.rows).reshape(len(weights.rows), -1).max(1)
    if layer == "depthwise":
        assert np.all(largest == 127), "added in 32 bits on every processor"
    else:
        assert PAIRS.fit(weights.rows)
        assert largest.min() >= 64
        assert largest.max() > 64, "some pair has more than seven bits"


@pytest.mark.parametrize(("inputs", "together"), [(512, ["layer"]), (513, [])])
def test_a_kernel_whose_covariance_takes_gigabytes_is_rounded_to_the_nearest(inputs: int, together: list[str]) -> None:
    """A head of 2048 channels, as of a ResNet, would need 2.7 GB several times over."""
    image = operations.parameter((1, inputs, 4, 4), np.float32, "image")
    node = convolution(image, constant(2, inputs, 3, 3))
    assert [name for name, _ in _kernels({"layer": node})] == together
    weights = numpy_helper.from_array(np.zeros((2, inputs, 3, 3), np.float32), "w")
    conv = helper.make_node("Conv", ["x", "w"], ["y"], name="layer")
    model = helper.make_model(helper.make_graph([conv], "g", [], [], [weights]))
    assert [kernel.layer for _, kernel in onnx_kernels(model, {"w"}, ["layer"])] == together


def test_a_bound_is_of_two_inputs_at_one_place() -> None:
    """oneDNN pads an odd number of inputs; MLAS goes on at the next place."""
    alone, next_place = np.zeros((1, 3, 1, 2)), np.zeros((1, 3, 1, 2))
    alone[0, 2, 0, 0] = alone[0, 0, 0, 1] = 127
    next_place[0, 0, 0, 0] = next_place[0, 1, 0, 0] = 127
    assert PAIRS.fit(alone)
    assert not PAIRS.fit(next_place)
