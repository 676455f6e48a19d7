"""Depthwise convolutions in INT8 are widened to what ONNX Runtime's kernel takes at once, and no code changes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.calibration.quantizers.onnx_ranges import Ranges
from edgeseg.calibration.quantizers.ort_channels import fill_channels
from edgeseg.calibration.quantizers.ort_quantizer import STYLE
from edgeseg.calibration.quantizers.qdq_from_onnx import qdq_from_onnx, tensors_to_watch
from edgeseg.runtime.engines.ort_session import EVERYTHING, NOTHING, open_session

H, W = 9, 14


class Net:
    """A small network of convolutions, written node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(7)

    def conv(self, read: str, made: str, inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> str:
        weights = self.random.normal(0, 0.5, (outputs, inputs // groups, kernel, kernel)).astype(np.float32)
        bias = self.random.normal(0, 0.5, outputs).astype(np.float32)
        self.constants += [numpy_helper.from_array(weights, f"{made}/w"), numpy_helper.from_array(bias, f"{made}/b")]
        pads = [kernel // 2] * 4
        names = [read, f"{made}/w", f"{made}/b"]
        self.nodes.append(helper.make_node("Conv", names, [made], f"net/{made}", group=groups, pads=pads))
        return made

    def depthwise(self, read: str, made: str, channels: int) -> str:
        return self.conv(read, made, channels, channels, 3, channels)

    def add(self, op: str, reads: list[str], made: str, **attributes: int) -> str:
        self.nodes.append(helper.make_node(op, reads, [made], f"net/{made}", **attributes))
        return made

    def quantised(self, end: str, keep_float: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, H, W])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (end, *also)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        lowest = {name: 0.0 if name.endswith("_relu") else -3.0 for name in (*tensors_to_watch(model, STYLE), "image")}
        ranges = Ranges("minmax", {name: (low, 4.0) for name, low in lowest.items()})
        return qdq_from_onnx(model, ranges, STYLE, keep_float)


def mobile(channels: int, activation: bool = True) -> Net:
    """Expand, depthwise, project, as MobileNet does, and a head."""
    net = Net()
    wide = net.conv("image", "wide", 3, channels)
    wide = net.add("Relu", [wide], "wide_relu") if activation else wide
    deep = net.depthwise(wide, "deep", channels)
    deep = net.add("Relu", [deep], "deep_relu") if activation else deep
    net.conv(net.conv(deep, "narrow", channels, 8), "head", 8, 3)
    return net


def skip(first: int, second: int) -> Net:
    """A depthwise convolution over a skip connection, as in a U-Net of separable convolutions."""
    net = Net()
    a, b = net.conv("image", "a", 3, first), net.conv("image", "b", 3, second)
    joined = net.add("Concat", [net.add("Relu", [a], "a_relu"), b], "joined", axis=1)
    deep = net.depthwise(joined, "deep", first + second)
    net.conv(net.conv(deep, "narrow", first + second, 8), "head", 8, 3)
    return net


def groups_of(model: onnx.ModelProto) -> int:
    node = next(node for node in model.graph.node if node.name == "net/deep")
    return next(one.i for one in node.attribute if one.name == "group")


def head_of(model: onnx.ModelProto, optimisation: str) -> np.ndarray:
    image = np.random.default_rng(1).normal(0, 1.5, (1, 3, H, W)).astype(np.float32)
    return open_session(model.SerializeToString(), optimisation).run(["head"], {"image": image})[0]


NETS = {
    "24 channels": (mobile(24), 32),
    "40 channels without activation": (mobile(40, activation=False), 48),
    "a skip of 40 and 16": (skip(40, 16), 64),
    "a skip of 9 and 8": (skip(9, 8), 32),
}


@pytest.mark.parametrize("name", NETS)
def test_a_layer_is_widened_and_every_code_is_what_it_was(name: str) -> None:
    net, channels = NETS[name]
    plain, wide = net.quantised("head"), net.quantised("head")
    assert fill_channels(wide) == 1
    assert groups_of(wide) == channels
    onnx.checker.check_model(wide, full_check=True)
    assert np.array_equal(head_of(wide, NOTHING), head_of(plain, NOTHING))
    assert np.abs(head_of(wide, EVERYTHING) - head_of(plain, EVERYTHING)).max() < 0.2, "a code or two"
    assert fill_channels(wide) == 0, "there is nothing left to fill"


def test_one_kernel_runs_the_wide_layer_and_the_skip_stays_in_codes(tmp_path) -> None:
    wide = skip(40, 16).quantised("head")
    fill_channels(wide)
    open_session(wide.SerializeToString(), EVERYTHING, optimised_file=tmp_path / "model.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("QLinearConcat") == 1
    assert kinds.count("QLinearConv") == 3, "the two that are joined and the depthwise one"
    assert "Concat" not in kinds


def test_names_of_tensors_of_another_shape_are_others() -> None:
    plain, wide = mobile(24).quantised("head"), mobile(24).quantised("head")
    fill_channels(wide)
    before, after = (shapes(one) for one in (plain, wide))
    assert "narrow" in before.keys() & after.keys()
    assert all(before[name] == after[name] for name in before.keys() & after.keys())
    assert after["deep/padded"] == (1, 32, H, W)


def shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    typed = onnx.shape_inference.infer_shapes(model)
    found = {one.name: tuple(d.dim_value for d in one.type.tensor_type.shape.dim) for one in typed.graph.value_info}
    return {name: shape for name, shape in found.items() if shape[2:] == (H, W)}


def deep_read_by_deep() -> onnx.ModelProto:
    net = Net()
    deep = net.depthwise(net.conv("image", "wide", 3, 24), "deep", 24)
    net.conv(net.conv(net.depthwise(deep, "deeper", 24), "narrow", 24, 8), "head", 8, 3)
    return net.quantised("head")


def shared() -> onnx.ModelProto:
    """What makes the channels has another reader, which wants as many as there were."""
    net = Net()
    wide = net.conv("image", "wide", 3, 24)
    deep = net.depthwise(wide, "deep", 24)
    net.conv(net.conv(net.add("Add", [deep, wide], "sum"), "narrow", 24, 8), "head", 8, 3)
    return net.quantised("head")


LEFT = {
    "multiples of sixteen": lambda: mobile(32).quantised("head"),
    "a depthwise layer in float": lambda: mobile(24).quantised("head", keep_float=("net/deep",)),
    "one that is an output": lambda: mobile(24).quantised("head", also=("deep",)),
    "one that another depthwise layer reads": deep_read_by_deep,
    "channels that something else reads": shared,
}


@pytest.mark.parametrize("name", LEFT)
def test_what_cannot_be_widened_is_left_as_it_is(name: str) -> None:
    model = LEFT[name]()
    before = model.SerializeToString()
    assert fill_channels(model) == 0
    assert model.SerializeToString() == before


def test_no_codes_between_the_last_layer_and_the_output() -> None:
    net = mobile(24)
    sizes = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "sizes")
    net.constants.append(sizes)
    net.nodes.append(helper.make_node("Resize", ["head", "", "sizes"], ["large"], "net/large", mode="linear"))
    model = net.quantised("large")
    large = next(node for node in model.graph.node if node.name == "net/large")
    assert large.input[0] == "head"
