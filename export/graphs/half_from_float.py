"""A float32 graph in float16: the network's own layers, and nothing that needs more.

TensorRT from 10 on takes types as they stand in the graph, so float16 is asked for by casting. What stays in float32
and why is told layer by layer: pre- and post-processing (Softmax, ArgMax, thresholds), interpolation, sums over whole
maps, and layers whose weights or scales float16 cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.opset import read_opset
from edgeseg.graphs.onnx_graph import is_surrounding, name_nodes

LARGEST = float(np.finfo(np.float16).max)
SMALLEST_SCALE = 3e-6
"""A quantisation scale below is off by more than one percent in float16."""
QDQ = ("QuantizeLinear", "DequantizeLinear")
QDQ_OPSET = 19

SENSITIVE = {
    **dict.fromkeys(("Softmax", "LogSoftmax", "Exp", "Log", "Pow"), "its values span more than float16"),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceL2", "GlobalAveragePool"), "it sums a whole map"),
    **dict.fromkeys(("InstanceNormalization", "LayerNormalization"), "it sums a whole map"),
    **dict.fromkeys(("ArgMax", "ArgMin", "TopK"), "near values become equal in float16"),
    **dict.fromkeys(("ConstantOfShape", "Range", "RandomNormal"), "its type is fixed"),
}
_FLOAT32_PARAMETERS = {"Resize": 1}
"""Operations whose inputs from that position on are no data and stay float32."""


@dataclass(frozen=True)
class Kept:
    """A node that stays in float32, and the reason in a few words."""

    node: str
    operation: str
    reason: str


def half_graph(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[Kept]]:
    """Cast a deployed graph, fp32 or Q/DQ, to float16.

    Args:
        model: as :func:`edgeseg.graphs.onnx_graph.load_graph` gives it: named nodes, inferred shapes. A Q/DQ graph
            is brought to opset 19, the first whose scales may be float16: TensorRT 10 or newer. Not changed.

    Returns:
        The graph with the same inputs, outputs and metadata, and the network's nodes that stay in float32.

    Raises:
        ArtifactError: nothing can be cast, or the graph has subgraphs.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    if any(node.op_type in QDQ for node in half.graph.node):
        half = _at_opset_19(half)
    name_nodes(half.graph)
    _constants_as_initializers(half.graph)
    kept = _keep_float(half)
    if all(node.name in kept or is_surrounding(node) for node in half.graph.node):
        raise ArtifactError("No layer of this network can be float16. Export it without `half=True`.")
    _Caster(half, kept).run()
    onnx.checker.check_model(half, full_check=True)
    told = [Kept(node.name, node.op_type, kept[node.name]) for node in half.graph.node if node.name in kept]
    return half, told


def _at_opset_19(model: onnx.ModelProto) -> onnx.ModelProto:
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    try:
        converted = onnx.version_converter.convert_version(model, max(QDQ_OPSET, read_opset(model)))
    except (RuntimeError, ValueError, onnx.version_converter.ConvertError) as error:
        raise ArtifactError(f"INT8 with float16 needs opset 19: {error}. Export without `half=True`.") from None
    helper.set_model_props(converted, metadata)
    converted.ir_version = max(converted.ir_version, 9)
    return onnx.shape_inference.infer_shapes(converted, strict_mode=True, data_prop=True)


def _constants_as_initializers(graph: Any) -> None:
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        value = next((attribute for attribute in node.attribute if attribute.name == "value"), None)
        if value is not None:
            graph.initializer.add().CopyFrom(value.t)
            graph.initializer[-1].name = node.output[0]
            graph.node.remove(node)


def _keep_float(model: onnx.ModelProto) -> dict[str, str]:
    """Names of the network's nodes that stay in float32, with the reason."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    kept: dict[str, str] = {}
    for node in model.graph.node:
        if any(attribute.HasField("g") for attribute in node.attribute):
            raise ArtifactError(
                f"{node.name} ({node.op_type}) has a subgraph; that is not cast. Leave out `half=True`."
            )
        if not is_surrounding(node) and (reason := _reason(node, constants)):
            kept[node.name] = reason
    _keep_their_scales(model.graph, kept)
    return kept


def _reason(node: Any, constants: dict[str, Any]) -> str:
    if node.op_type in SENSITIVE:
        return SENSITIVE[node.op_type]
    if node.op_type == "Resize" and _text(node, "mode", "nearest") != "nearest":
        return "it interpolates"
    values = [numpy_helper.to_array(constants[name]) for name in node.input if name in constants]
    floats = [value for value in values if value.dtype == np.float32 and value.size]
    if node.op_type in QDQ:
        return "float16 cannot hold its scale" if any(np.min(v) < SMALLEST_SCALE for v in floats[:1]) else ""
    return "float16 cannot hold its weights" if any(np.max(np.abs(v)) > LARGEST for v in floats) else ""


def _keep_their_scales(graph: Any, kept: dict[str, str]) -> None:
    """A quantised layer computes in one type: what shares a scale with something in float32 stays there, too."""
    makers = {name: node for node in graph.node for name in node.output}
    pairs = [
        (makers[name], node)
        for node in graph.node
        for name in node.input
        if name in makers and _is_one_layer(makers[name], node)
    ]
    size = -1
    while size != len(kept):
        size = len(kept)
        for pair in pairs:
            if any(node.name in kept for node in pair):
                for node in pair:
                    kept.setdefault(node.name, "it shares a scale with a layer in float32")


def _is_one_layer(maker: Any, reader: Any) -> bool:
    """A quantiser with its dequantiser, or a dequantiser with what computes from it."""
    if maker.op_type == "QuantizeLinear":
        return bool(reader.op_type == "DequantizeLinear")
    return bool(maker.op_type == "DequantizeLinear" and not is_surrounding(reader))


class _Caster:
    """Rewrites the graph: types of the chosen nodes, and a Cast wherever two types meet."""

    def __init__(self, model: onnx.ModelProto, kept: dict[str, str]) -> None:
        self.graph, self.kept = model.graph, kept
        self.floats = set(_floats(model.graph))
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.half: set[str] = set()
        self.made: dict[str, str] = {}
        self.nodes: list[Any] = []

    def run(self) -> None:
        for node in self.graph.node:
            if is_surrounding(node) or node.name in self.kept:
                self._keep(node)
            else:
                self._cast(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        del self.graph.value_info[:]
        _drop_unread(self.graph)

    def _keep(self, node: Any) -> None:
        node.input[:] = [self._as_float(name) if name in self.half else name for name in node.input]
        self.nodes.append(node)

    def _cast(self, node: Any) -> None:
        end = _FLOAT32_PARAMETERS.get(node.op_type, len(node.input))
        inputs = [self._as_half(name) if at < end else name for at, name in enumerate(node.input)]
        node.input[:] = inputs
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
        self.half.update(name for name in node.output if name in self.floats)
        self.nodes.append(node)

    def _as_half(self, name: str) -> str:
        if name in self.half or name not in self.floats:
            return name
        if name in self.made:
            return self.made[name]
        if name in self.constants:
            return self._half_constant(name)
        return self._add_cast(name, f"{name}/half", TensorProto.FLOAT16)

    def _as_float(self, name: str) -> str:
        return self.made.get(name) or self._add_cast(name, f"{name}/float", TensorProto.FLOAT)

    def _half_constant(self, name: str) -> str:
        values = numpy_helper.to_array(self.constants[name]).astype(np.float16)
        self.graph.initializer.append(numpy_helper.from_array(values, f"{name}/half"))
        self.made[name] = f"{name}/half"
        return self.made[name]

    def _add_cast(self, name: str, result: str, kind: int) -> str:
        self.nodes.append(helper.make_node("Cast", [name], [result], name=f"edgeseg/Cast_{result}", to=kind))
        self.made[name] = result
        return result


def _floats(graph: Any) -> Iterator[str]:
    """Every float32 tensor."""
    known = (*graph.value_info, *graph.output, *graph.input)
    yield from (info.name for info in known if info.type.tensor_type.elem_type == TensorProto.FLOAT)
    yield from (tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT)


def _drop_unread(graph: Any) -> None:
    read = {name for node in graph.node for name in node.input}
    unread = [tensor for tensor in graph.initializer if tensor.name not in read]
    for tensor in unread:
        graph.initializer.remove(tensor)


def _text(node: Any, name: str, default: str) -> str:
    return next((attribute.s.decode() for attribute in node.attribute if attribute.name == name), default)
