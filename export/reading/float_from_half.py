"""A graph in float32 of one in float16, bfloat16 or float64: every constant, cast, input and output."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

OTHER_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


def float_from_half(model: onnx.ModelProto) -> bool:
    """Turn a graph into float32, in place.

    Engines on a processor compute float16 in float32 anyway, and every format of edgeseg starts from float32.

    Returns:
        Whether there was anything to turn.
    """
    return sum([_turn_graph(model.graph)]) > 0


def _turn_graph(graph: onnx.GraphProto) -> int:
    turned = sum(_turn_tensor(tensor) for tensor in graph.initializer)
    for entry in (*graph.input, *graph.output, *graph.value_info):
        kind = entry.type.tensor_type
        if kind.elem_type in OTHER_FLOATS:
            kind.elem_type, turned = TensorProto.FLOAT, turned + 1
    return turned + sum(_turn_node(node) for node in graph.node)


def _turn_node(node: onnx.NodeProto) -> int:
    turned = 0
    for attribute in node.attribute:
        if attribute.name in ("to", "dtype") and attribute.i in OTHER_FLOATS:
            attribute.i, turned = TensorProto.FLOAT, turned + 1
        turned += sum(_turn_tensor(tensor) for tensor in _tensors(attribute))
        turned += sum(_turn_graph(sub) for sub in (attribute.g, *attribute.graphs))
    return turned


def _tensors(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors


def _turn_tensor(tensor: onnx.TensorProto) -> int:
    if tensor.data_type not in OTHER_FLOATS:
        return 0
    values = numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return 1
