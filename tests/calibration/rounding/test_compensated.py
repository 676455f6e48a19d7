"""Weights that are rounded together: each error is made up for by the weights beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from edgeseg.calibration.rounding.compensated import round_weights
from edgeseg.calibration.rounding.kernel import Kernel
from edgeseg.calibration.rounding.onnx_rounded import Rounded, geometry_of, replace_weights
from edgeseg.calibration.rounding.pairs import Pairs

Float64 = npt.NDArray[np.float64]
SHAPES = [((8, 6, 3, 3), 1), ((8, 5, 1, 1), 1), ((12, 1, 3, 3), 12), ((6, 3, 3, 3), 2)]


def alike(groups: int, size: int) -> Float64:
    """What a layer reads where neighbours nearly say the same: three signals and a little noise, as a covariance."""
    random = np.random.default_rng(groups)
    signals = random.normal(0, 1, (groups, 400, 3)) @ random.normal(0, 1, (groups, 3, size))
    seen = signals + 0.1 * random.normal(0, 1, (groups, 400, size))
    found: Float64 = seen.swapaxes(1, 2) @ seen / 400
    return found


def noise(weights: Any, rounded: Any, covariance: Float64) -> float:
    """Variance of what rounding adds to the outputs."""
    off = (weights - rounded).reshape(len(covariance), -1, covariance.shape[1]).astype(np.float64)
    return float(np.einsum("goi,gij,goj->", off, covariance, off))


def planted(shape: tuple[int, ...], levels: int) -> tuple[Any, Any]:
    weights = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    return weights, (np.abs(weights).reshape(len(weights), -1).max(1) / levels).astype(np.float32)


def nearest(weights: Any, scales: Any) -> Any:
    along = scales.reshape(-1, 1, 1, 1)
    return np.rint(weights / along) * along


@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_where_inputs_are_alike_the_nearest_code_loses_twice_as_much(shape: tuple[int, ...], groups: int) -> None:
    weights, scales = planted(shape, 20)
    covariance = alike(groups, int(np.prod(shape[1:])))
    found = round_weights(weights, scales, covariance)
    codes = found / scales.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    assert noise(weights, found, covariance) < noise(weights, nearest(weights, scales), covariance) / 2


@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_pairs_keep_their_bound(shape: tuple[int, ...], groups: int) -> None:
    weights, scales = planted(shape, 127)
    found = round_weights(weights, scales, alike(groups, int(np.prod(shape[1:]))), Pairs(128))
    packed = np.moveaxis(np.rint(found / scales.reshape(-1, 1, 1, 1)), 1, -1).reshape(len(weights), -1)
    pairs = np.pad(packed, ((0, 0), (0, packed.shape[1] % 2))).reshape(len(weights), -1, 2)
    assert max(np.maximum(signed, 0).sum(2).max() for signed in (pairs, -pairs)) <= 128
    assert np.abs(packed).max() <= 127


def test_inputs_that_have_nothing_in_common_are_rounded_to_the_nearest() -> None:
    weights, scales = planted((4, 6, 1, 1), 30)
    found = round_weights(weights, scales, np.eye(6)[np.newaxis])
    np.testing.assert_allclose(found, nearest(weights, scales), atol=1e-6)


def test_inputs_that_are_always_the_same_harm_nothing() -> None:
    weights, scales = planted((4, 6, 1, 1), 30)
    assert np.isfinite(round_weights(weights, scales, np.zeros((1, 6, 6)))).all()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pads": [1, 2, 0, 1], "strides": [2, 1]},
        {"dilations": [2, 1], "pads": [2, 1, 2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "VALID"},
    ],
)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_kernel_sees_what_it_is_multiplied_with(
    settings: dict[str, Any], groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patches times the weights are the layer's own outputs."""
    import onnxruntime

    random = np.random.default_rng(0)
    weights = random.normal(0, 1, (12, 6 // groups, 3, 2)).astype(np.float32)
    image = random.normal(0, 1, (1, 6, 9, 8)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", group=groups, **settings)
    ends = [helper.make_tensor_value_info(name, 1, None) for name in ("x", "y")]
    ends[0].CopyFrom(helper.make_tensor_value_info("x", 1, image.shape))
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": image})[0]
    patches = Kernel("conv", "x", weights, geometry_of(node)).patches(image[0], np.random.default_rng(1))
    made = np.einsum("gpk,gok->gop", patches, weights.reshape(groups, 12 // groups, -1)).reshape(12, -1)
    np.testing.assert_allclose(np.sort(made, 1), np.sort(expected.reshape(12, -1), 1), atol=1e-4)


def test_the_mean_of_a_rounded_layer_is_kept_by_its_bias() -> None:
    """Rounding leaves the mean to the bias; also where nothing else corrects it, as while layers are ranked."""
    random = np.random.default_rng(0)
    weights = random.normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")
    kernel = Kernel("conv", "x", weights, geometry_of(node))
    image = random.uniform(0, 2, (1, 3, 12, 12)).astype(np.float32)
    kernel.see(image, random)
    scales = np.full(4, 0.5, np.float32)
    values = kernel.round(scales, None)
    rounded = {"w": Rounded("conv", values, scales, kernel.shift(values))}
    tensors = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.zeros(4, np.float32), "b")]
    ends = [helper.make_tensor_value_info("x", 1, image.shape), helper.make_tensor_value_info("y", 1, None)]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    means = [channel_means(one, image) for one in (model, replace_weights(model, rounded, ["conv"])[0])]
    np.testing.assert_allclose(means[1], means[0], atol=1e-4)
    assert np.abs(rounded["w"].shift).max() > 0.02


def channel_means(model: Any, image: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": image})[0].mean((0, 2, 3))


def test_layers_in_float_keep_their_weights() -> None:
    tensors = [numpy_helper.from_array(np.full((2, 1, 1, 1), number, np.float32), f"w{number}") for number in (1, 2)]
    nodes = [helper.make_node("Conv", ["x", f"w{number}"], [f"y{number}"], name=f"conv{number}") for number in (1, 2)]
    model = helper.make_model(helper.make_graph(nodes, "g", [], [], tensors))
    scales = np.ones(2, np.float32)
    rounded = {f"w{n}": Rounded(f"conv{n}", np.full((2, 1, 1, 1), 9, np.float32), scales, np.zeros(2)) for n in (1, 2)}
    changed, used = replace_weights(model, rounded, ["conv2"])
    found = {tensor.name: numpy_helper.to_array(tensor).max() for tensor in changed.graph.initializer}
    assert (found, list(used)) == ({"w1": 1, "w2": 9}, ["w2"])
    assert onnx.numpy_helper.to_array(model.graph.initializer[1]).max() == 2
