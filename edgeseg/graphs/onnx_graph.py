"""The ONNX graph of an artifact as quantisation needs it: names, layers, and who reads whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError
from edgeseg.given import checked

SURROUNDINGS = "edgeseg/"
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
FLOAT = 1


@dataclass(frozen=True)
class Weight:
    """The constant of a weighted layer: the node, and the initializer that it multiplies with."""

    node: Any
    initializer: str


@checked
def load_graph(path: Path) -> Any:
    """Read an artifact's ONNX file: every node gets a name of its own, BatchNorm is folded, shapes are inferred.

    Raises:
        ArtifactError: the shapes contradict each other.
        MissingExtra: onnx is not installed.
    """
    onnx = require("onnx", "export")
    model = onnx.load_model(str(path))
    name_nodes(model.graph)
    fold_batch_norm(model.graph)
    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ArtifactError(
            f"{path} has shapes that contradict each other: {reason}. Export the model again."
        ) from None


def name_nodes(graph: Any) -> None:
    """Call nodes that share a name, or have none, after what they compute."""
    seen: set[str] = set()
    for node in graph.node:
        if node.name in seen or node.name in ("", "net/"):
            node.name = f"{node.op_type}_{node.output[0]}"
        seen.add(node.name)


def weighted_layers(graph: Any, ops: Collection[str] = WEIGHTED) -> tuple[Weight, ...]:
    """List the layers of the network that multiply with constants, in the order of computation."""
    constants = {tensor.name for tensor in graph.initializer}
    return tuple(
        Weight(node, node.input[1])
        for node in graph.node
        if node.op_type in ops and not is_surrounding(node) and node.input[1] in constants
    )


def is_surrounding(node: Any) -> bool:
    """Tell whether a node belongs to the pre- or post-processing, which is never quantised."""
    return bool(node.name.startswith(SURROUNDINGS))


def head_layers(graph: Any) -> frozenset[str]:
    """Find the last layers with weights before the outputs: nothing weighted follows them."""
    makers = map_makers(graph)
    heads: set[str] = set()
    waiting, seen = [output.name for output in graph.output], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op_type in WEIGHTED:
            heads.add(node.name)
        else:
            waiting += node.input
    return frozenset(heads)


def map_makers(graph: Any) -> dict[str, Any]:
    """Map each tensor to the node that makes it."""
    return {name: node for node in graph.node for name in node.output}


def map_readers(graph: Any) -> dict[str, list[Any]]:
    """Map each tensor to the nodes that read it."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def float_activations(model: Any) -> set[str]:
    """Find the float tensors that change with the image."""
    constants = {tensor.name for tensor in model.graph.initializer}
    known = (*model.graph.value_info, *model.graph.output)
    return {info.name for info in known if info.type.tensor_type.elem_type == FLOAT} - constants


def fold_batch_norm(graph: Any) -> None:
    """Put every BatchNormalization that alone follows a convolution into that convolution's weights."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers, makers = map_readers(graph), map_makers(graph)
    outputs = {output.name for output in graph.output}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        layer = makers.get(norm.input[0])
        if layer is None or len(readers[norm.input[0]]) > 1 or norm.input[0] in outputs:
            continue
        if _can_take(layer, norm, constants, readers):
            _fold(graph, layer, norm, constants)


def _can_take(layer: Any, norm: Any, constants: dict[str, Any], readers: dict[str, list[Any]]) -> bool:
    """Weights that another layer shares, or that are computed, stay as they are; so do grouped transposed ones."""
    is_simple = layer.op_type == "Conv" or (layer.op_type == "ConvTranspose" and _groups(layer) == 1)
    needed = [*layer.input[1:], *norm.input[1:]]
    is_own = is_simple and all(len(readers[name]) == 1 for name in layer.input[1:])
    return is_own and all(name in constants for name in needed) and len(norm.output) == 1


def _groups(layer: Any) -> int:
    return next((int(attribute.i) for attribute in layer.attribute if attribute.name == "group"), 1)


def _fold(graph: Any, layer: Any, norm: Any, constants: dict[str, Any]) -> None:
    numpy_helper = require("onnx.numpy_helper", "export")
    scale, shift, mean, variance = (_values(constants[name]) for name in norm.input[1:])
    epsilon = next((attribute.f for attribute in norm.attribute if attribute.name == "epsilon"), 1e-5)
    factor = scale / np.sqrt(variance + epsilon)
    weight = _values(constants[layer.input[1]])
    bias = _values(constants[layer.input[2]]) if len(layer.input) > 2 else np.zeros_like(mean)
    along = (-1, 1, 1, 1) if layer.op_type == "Conv" else (1, -1, 1, 1)
    folded = {
        layer.input[1]: weight * factor.reshape(along[: weight.ndim]),
        f"{layer.input[1]}_folded_bias": (bias - mean) * factor + shift,
    }
    for name, values in folded.items():
        tensor = numpy_helper.from_array(values.astype(np.float32), name)
        if name in constants:
            constants[name].CopyFrom(tensor)
        else:
            graph.initializer.append(tensor)
    layer.input[:] = [layer.input[0], *folded]
    layer.output[0] = norm.output[0]
    graph.node.remove(norm)


def _values(tensor: Any) -> Any:
    return require("onnx.numpy_helper", "export").to_array(tensor).astype(np.float64)


def initializers_read(graph: Any) -> Iterator[Any]:
    """Yield the initializers that some node reads."""
    read = {name for node in graph.node for name in node.input}
    return (tensor for tensor in graph.initializer if tensor.name in read)
