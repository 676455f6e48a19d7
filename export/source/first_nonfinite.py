"""Where a network starts to compute NaN or infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeseg.export.graphs.ort_session import open_graph
from edgeseg.image import Float32
from edgeseg.runtime.engines.ort_session import NOTHING


def nonfinite_source(net: onnx.ModelProto, values: Float32) -> str | None:
    """Name the first weights or layer of a one-input graph that is not finite for ``values``, as a phrase.

    Args:
        net: its nodes in order of computation, as ONNX demands.
        values: the network's input.
    """
    if (weights := _nonfinite_weights(net.graph)) is not None:
        return weights
    watched = onnx.ModelProto()
    watched.CopyFrom(net)
    known = {entry.name for entry in watched.graph.output}
    names = [name for node in net.graph.node for name in node.output if name and name not in known]
    watched.graph.output.extend(helper.make_value_info(name, onnx.TypeProto()) for name in names)
    session = open_graph(watched, NOTHING)
    found = session.run(None, {session.get_inputs()[0].name: values})
    results = dict(zip((entry.name for entry in session.get_outputs()), found, strict=True))
    culprit = next((node for node in net.graph.node if any(_is_nonfinite(results.get(n)) for n in node.output)), None)
    return None if culprit is None else f"layer {_name(culprit)} ({culprit.op_type})"


def _nonfinite_weights(graph: onnx.GraphProto) -> str | None:
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and _is_nonfinite(numpy_helper.to_array(tensor)):
            users = [_name(node) for node in graph.node if tensor.name in node.input]
            return f"the weights {tensor.name!r} of {', '.join(users[:3]) or 'no layer'}"
    return None


def _is_nonfinite(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "f" and not np.isfinite(values).all()


def _name(node: onnx.NodeProto) -> str:
    return repr(node.name or next(iter(node.output)))
