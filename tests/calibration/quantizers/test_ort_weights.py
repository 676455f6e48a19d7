"""Weights of ONNX Runtime's files: as many bits as no sum of two products overflows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from edgeseg.calibration.quantizers.ort_weights import choose_scales, expect_no_overflow
from edgeseg.errors import ArtifactError

Float32 = npt.NDArray[np.float32]


def convolution(weights: Any, groups: int = 1, quantised: bool = False) -> onnx.ModelProto:
    """A convolution of ``weights`` (float), or of codes behind a DequantizeLinear."""
    conv = helper.make_node("Conv", ["x", "w_dq" if quantised else "w"], ["y"], group=groups, name="conv")
    scale = numpy_helper.from_array(np.ones(len(weights), np.float32), "scale")
    before = [helper.make_node("DequantizeLinear", ["w", "scale"], ["w_dq"], axis=0)] if quantised else []
    graph = helper.make_graph([*before, conv], "g", [], [], [numpy_helper.from_array(weights, "w"), scale])
    return helper.make_model(graph)


def codes_of(weights: Float32, groups: int = 1) -> npt.NDArray[np.int8]:
    scales = choose_scales(convolution(weights, groups))["w"]
    return np.rint(weights / scales.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8)


def in_order(pattern: tuple[float, ...], channels: int = 4, side: int = 3) -> Float32:
    """One output whose weights repeat ``pattern`` in the order (row, column, input channel)."""
    packed = np.resize(np.asarray(pattern, np.float32), (1, side, side, channels))
    return np.moveaxis(packed, 3, 1)


@pytest.mark.parametrize(
    ("pattern", "largest"),
    [((1.0, 0.0), 127), ((1.0, -1.0), 127), ((1.0, 0.5), 85), ((-1.0, -0.25), 102), ((1.0, 1.0), 64)],
)
def test_a_pair_has_the_bits_that_its_sum_leaves(pattern: tuple[float, ...], largest: int) -> None:
    assert np.abs(codes_of(in_order(pattern)).astype(int)).max() == largest


def test_odd_channels_pair_over_the_edge_of_a_tap() -> None:
    weights = np.zeros((1, 3, 1, 2), np.float32)
    weights[0, 2, 0, 0] = weights[0, 0, 0, 1] = 1  # third and fourth in the order: a pair has the second with the third
    assert codes_of(weights).max() == 64
    weights[0, 0, 0, 1], weights[0, 1, 0, 1] = 0, 1
    assert codes_of(weights).max() == 127


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("shape", "groups"), [((16, 8, 3, 3), 1), ((6, 3, 3, 3), 2), ((5, 7, 1, 1), 1), ((4, 5), 1)])
def test_random_weights_never_overflow_and_are_no_coarser_than_with_seven_bits(
    shape: tuple[int, ...], groups: int, seed: int
) -> None:
    weights = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    expect_no_overflow(convolution(codes_of(weights, groups), groups, quantised=True))
    seven = np.abs(weights).reshape(len(weights), -1).max(1) / 64
    scales = choose_scales(convolution(weights, groups))["w"]
    assert (scales <= seven * (1 + 1e-6)).all()
    assert scales.mean() < 0.95 * seven.mean()


def test_depthwise_weights_have_eight_bits() -> None:
    weights = np.random.default_rng(0).normal(0, 1, (8, 1, 3, 3)).astype(np.float32)
    codes = codes_of(weights, groups=8)
    assert (np.abs(codes.astype(int)).reshape(8, -1).max(1) == 127).all()
    expect_no_overflow(convolution(codes, 8, quantised=True))


def test_weights_that_several_read_suit_all_of_them() -> None:
    model = convolution(np.full((4, 1, 3, 3), 1, np.float32), groups=4)
    model.graph.node.append(helper.make_node("Conv", ["x", "w"], ["z"]))
    np.testing.assert_allclose(choose_scales(model)["w"], 1 / 64)
    model.graph.node.append(helper.make_node("Mul", ["x", "w"], ["other"]))
    assert choose_scales(model) == {}


def test_a_silent_channel_has_a_scale() -> None:
    assert codes_of(np.zeros((2, 3, 3, 3), np.float32)).max() == 0


@pytest.mark.parametrize(
    ("weights", "groups"),
    [(np.full((1, 4, 1, 1), 127), 1), (np.full((1, 4, 1, 1), -65), 1), (np.full((4, 1, 3, 3), -128), 4)],
)
def test_codes_that_overflow_are_refused(weights: Any, groups: int) -> None:
    with pytest.raises(ArtifactError, match="weights w use eight bits, which overflow"):
        expect_no_overflow(convolution(weights.astype(np.int8), groups, quantised=True))


def test_of_what_is_no_convolution_each_code_has_seven_bits() -> None:
    model = convolution(np.array([[127, 0]], np.int8), quantised=True)
    expect_no_overflow(model)
    model.graph.node[1].op_type = "MatMul"
    with pytest.raises(ArtifactError, match="overflow"):
        expect_no_overflow(model)
