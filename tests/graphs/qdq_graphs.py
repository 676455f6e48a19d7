"""Tiny quantised graphs on which stock engines are known to go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Float32 = npt.NDArray[np.float32]
CHANNELS, SIDE, OUTPUTS = 8, 16, 4


class Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self._random = np.random.default_rng(0)

    def quantised(self, name: str, scale: float, kind: type[np.generic]) -> str:
        """``name`` through a Q/DQ pair with zero point 0."""
        self.constants |= {f"{name}_scale": np.float32(scale), f"{name}_zero": kind(0)}
        how = [f"{name}_scale", f"{name}_zero"]
        self.nodes += [
            helper.make_node("QuantizeLinear", [name, *how], [f"{name}_q"], name=f"quantise_{name}"),
            helper.make_node("DequantizeLinear", [f"{name}_q", *how], [f"{name}_dq"], name=f"dequantise_{name}"),
        ]
        return f"{name}_dq"

    def convolved(self, name: str, channels: int, weights: Any = None) -> str:
        """``name`` through a 3x3 convolution with int8 weights of full range, one scale a channel."""
        shape = (OUTPUTS, channels, 3, 3)
        self.constants["weights"] = (
            self._random.integers(-127, 128, shape).astype(np.int8) if weights is None else weights
        )
        self.constants["weights_scale"] = self._random.uniform(0.001, 0.01, OUTPUTS).astype(np.float32)
        self.constants["weights_zero"] = np.zeros(OUTPUTS, np.int8)
        how = ["weights", "weights_scale", "weights_zero"]
        self.nodes += [
            helper.make_node("DequantizeLinear", how, ["weights_dq"], axis=0, name="dequantise_weights"),
            helper.make_node("Conv", [name, "weights_dq"], ["convolved"], pads=[1] * 4, name="convolution"),
        ]
        return "convolved"

    def model(
        self,
        inputs: tuple[str, ...],
        output: str,
        channels: int = OUTPUTS,
        side: int = SIDE,
        channels_in: int = CHANNELS,
    ) -> onnx.ModelProto:
        """All of it; ``channels`` and ``side`` are of the output."""

        def entry(name: str, channels: int, side: int = SIDE) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, side, side])

        tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in self.constants.items()]
        ends = [entry(name, channels_in) for name in inputs], [entry(output, channels, side)]
        graph = helper.make_graph(self.nodes, "tiny", *ends, tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def skip_connection(kind: type[np.generic]) -> onnx.ModelProto:
    """Two quantised tensors joined and convolved, as at every skip connection of a U-Net."""
    graph = Graph()
    joined = [graph.quantised("fine", 0.02, kind), graph.quantised("coarse", 0.05, kind)]
    graph.nodes.append(helper.make_node("Concat", joined, ["joined"], axis=1, name="concat"))
    convolved = graph.convolved(graph.quantised("joined", 0.05, kind), 2 * CHANNELS)
    return graph.model(("fine", "coarse"), convolved)


def loud_convolution(weight: int = 127) -> onnx.ModelProto:
    """Large activations under weights of eight bits: two products do not fit 16 bits, 255 * 127 * 2."""
    graph = Graph()
    loud = graph.quantised("fine", 0.01, np.uint8)
    convolved = graph.convolved(loud, CHANNELS, np.full((OUTPUTS, CHANNELS, 3, 3), weight, np.int8))
    return graph.model(("fine",), graph.quantised(convolved, 1.0, np.uint8))


def packed_convolution(
    channels: int, outputs: int, side: int, groups: int, packed: Any, zero: int = 0
) -> onnx.ModelProto:
    """A convolution of inputs that are as large as codes can be.

    Args:
        channels, outputs, side, groups: of the convolution.
        packed: int8 weights of each output in the order (row, column, input channel), repeated; each second output has
            them negative.
        zero: zero point of the inputs.
    """
    inputs_of_group = channels // groups
    rows = np.resize(np.asarray(packed, np.int8), (side * side * inputs_of_group,))[None].repeat(outputs, 0)
    rows[1::2] *= -1
    graph = Graph()
    graph.constants = {
        "one": np.float32(1),
        "zero": np.uint8(zero),
        "weights": np.moveaxis(rows.reshape(outputs, side, side, inputs_of_group), 3, 1),
        "weights_scale": np.full(outputs, 0.5 / np.abs(rows[0].astype(int)).sum(), np.float32),
        "weights_zero": np.zeros(outputs, np.int8),
    }
    how, weights = ["one", "zero"], ["weights", "weights_scale", "weights_zero"]
    graph.nodes = [
        helper.make_node("QuantizeLinear", ["loud", *how], ["loud_q"]),
        helper.make_node("DequantizeLinear", ["loud_q", *how], ["loud_dq"]),
        helper.make_node("DequantizeLinear", weights, ["weights_dq"], axis=0),
        helper.make_node("Conv", ["loud_dq", "weights_dq"], ["convolved"], pads=[side // 2] * 4, group=groups),
        helper.make_node("QuantizeLinear", ["convolved", *how], ["convolved_q"]),
        helper.make_node("DequantizeLinear", ["convolved_q", *how], ["found"]),
    ]
    return graph.model(("loud",), "found", outputs, channels_in=channels)


def pool_over_the_edge(**settings: int) -> onnx.ModelProto:
    """Means of 3x3 values at every second place: the last window of a row of sixteen reaches over the edge."""
    graph = Graph()
    positive = graph.quantised("fine", 0.02, np.uint8)
    how = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, **settings}
    graph.nodes.append(helper.make_node("AveragePool", [positive], ["pooled"], name="pool", **how))
    return graph.model(("fine",), graph.quantised("pooled", 0.02, np.uint8), CHANNELS, SIDE // 2)


def softmax_of_channels() -> onnx.ModelProto:
    """Softmax between two pairs of Q/DQ, with the scale that a range of 0 to 1 gets."""
    graph = Graph()
    graph.nodes.append(
        helper.make_node("Softmax", [graph.quantised("fine", 0.02, np.uint8)], ["share"], name="softmax", axis=1)
    )
    return graph.model(("fine",), graph.quantised("share", 1 / 255, np.uint8), CHANNELS)


def inputs(model: onnx.ModelProto) -> dict[str, Float32]:
    random = np.random.default_rng(1)
    shape = (1, CHANNELS, SIDE, SIDE)
    return {entry.name: random.normal(0, 1.5, shape).astype(np.float32) for entry in model.graph.input}
