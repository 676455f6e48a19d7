"""Looking around in a foreign graph: who makes a tensor, what is constant, which shape it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

LAYOUT = ("Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Dropout")
"""Operations that only move values."""
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)

Array = npt.NDArray[Any]


class GraphView:
    """A graph seen from its results; ``model`` with its shapes inferred."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.makers: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output if name}
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        known = (*graph.value_info, *graph.output, *graph.input)
        self._types = {entry.name: entry.type.tensor_type for entry in known}

    def maker(self, name: str) -> onnx.NodeProto | None:
        """Find the node that computes a tensor, or None for weights and inputs."""
        return self.makers.get(name)

    def constant(self, name: str) -> Array | None:
        """Read the value of a tensor that does not depend on the image, through what only moves it."""
        if name in self._weights:
            return np.asarray(numpy_helper.to_array(self._weights[name]))
        node = self.maker(name)
        if node is None:
            return None
        if node.op_type == "Constant":
            return read_constant(node)
        return self.constant(node.input[0]) if node.op_type in (*LAYOUT, "Cast") else None

    def number(self, name: str) -> float | None:
        """Read a constant of one value."""
        value = self.constant(name)
        return float(value.ravel()[0]) if value is not None and value.size == 1 else None

    def rank(self, name: str) -> int | None:
        """Read how many dimensions a tensor has, or None where nothing says it."""
        kind = self._types.get(name)
        return len(kind.shape.dim) if kind is not None and kind.HasField("shape") else None

    def is_float(self, name: str) -> bool:
        """Tell whether a tensor is known to be of a float type."""
        kind = self._types.get(name)
        return kind is not None and kind.elem_type in FLOATS

    def before_layout(self, name: str, *also: str) -> str:
        """Go back from a tensor over everything that only moves values, and over ``also``."""
        node = self.maker(name)
        while node is not None and node.op_type in (*LAYOUT, *also):
            name = node.input[0]
            node = self.maker(name)
        return name


def read_attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """Read an attribute of a node as a Python value."""
    found = next((entry for entry in node.attribute if entry.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def read_constant(node: onnx.NodeProto) -> Array | None:
    """Read the value of a ``Constant`` node."""
    value = next(iter(node.attribute), None)
    if value is None or value.name.startswith(("sparse", "value_string")):
        return None
    found = onnx.helper.get_attribute_value(value)
    return np.asarray(numpy_helper.to_array(found) if value.name == "value" else found)


def call_node(node: onnx.NodeProto) -> str:
    """Word a node for a message: its name, or its result where it has none."""
    return repr(node.name or next(iter(node.output), "?"))
