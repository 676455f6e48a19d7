"""Biases of a quantised ONNX network that make up for what rounding shifts.

Rounded weights and activations shift the mean of a layer's outputs, and shifts add up from layer to layer. The mean of
each output channel in INT8 is compared with that in float on a few images, and the difference goes into the bias,
layer after layer, each with the layers before it corrected (M. Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction", 2019, arXiv:1906.04721, section 4.2, the empirical kind).

The network is computed in pieces that each end at a layer, so that all of it is computed once, however many layers it
has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.graphs.onnx_graph import is_surrounding, map_readers
from edgeseg.image import UInt8
from edgeseg.runtime.engines.ort_session import NOTHING, open_session

Array = npt.NDArray[np.generic]
Float64 = npt.NDArray[np.float64]

CORRECTED = ("Conv", "ConvTranspose", "Gemm")
"""Layers whose third input is a bias, one value an output channel on axis 1."""
SHOWN_IMAGES = 16


def correct_biases(model: Any, quantised: Any, layers: Collection[str], pictures: Sequence[UInt8]) -> Any:
    """Correct the biases of a float network for its quantised form.

    Args:
        model: the float network, as :func:`edgeseg.graphs.onnx_graph.load_graph` gives it. Not changed.
        quantised: what it became; its nodes have the same names.
        layers: names of nodes whose bias may change.
        pictures: network inputs (1, H, W, C) that show what is usual.

    Returns:
        The float network with other biases; quantise it again with the same ranges.
    """
    able = _correctable(model, layers)
    if not able:
        return model
    expected = _means(model, [able[name].output for name in able], pictures)
    with quiet():
        typed = require("onnx.shape_inference", "export").infer_shapes(quantised)
    return _with_biases(model, able, dict(_walk(typed, able, pictures, expected)))


@dataclass(frozen=True)
class _Layer:
    output: str
    bias: str


def _correctable(model: Any, layers: Collection[str]) -> dict[str, _Layer]:
    """Layers with a constant bias that nothing else reads, in the order of computation."""
    constants = {tensor.name for tensor in model.graph.initializer}
    readers = map_readers(model.graph)
    return {
        node.name: _Layer(node.output[0], node.input[2])
        for node in model.graph.node
        if node.name in layers
        and node.op_type in CORRECTED
        and not is_surrounding(node)
        and len(node.input) > 2
        and node.input[2] in constants
        and len(readers[node.input[2]]) == 1
    }


def _means(model: Any, tensors: list[str], pictures: Sequence[UInt8]) -> dict[str, Float64]:
    """The mean of each channel over the pictures."""
    session = _open(model.graph, model, model.graph.node, ["image"], tensors)
    total: dict[str, Float64] = {}
    for picture in pictures:
        for name, values in zip(tensors, session.run(tensors, {"image": picture}), strict=True):
            total[name] = total.get(name, 0.0) + _channel_mean(values)
    return {name: values / len(pictures) for name, values in total.items()}


def _channel_mean(values: Array) -> Float64:
    """(C,) of (1, C, ...)."""
    means: Float64 = np.asarray(values, np.float64).mean(axis=(0, *range(2, values.ndim)))
    return means


def _walk(
    quantised: Any, able: Mapping[str, _Layer], pictures: Sequence[UInt8], expected: Mapping[str, Float64]
) -> Iterator[tuple[str, Float64]]:
    """Compute the quantised network piece by piece; yield each layer's shift, and go on as if it were corrected."""
    known: list[dict[str, Array]] = [{"image": picture} for picture in pictures]
    for piece in _pieces(quantised.graph, set(able)):
        session = _open(quantised.graph, quantised, piece.nodes, piece.reads, piece.makes)
        for tensors in known:
            found = session.run(piece.makes, {name: tensors[name] for name in piece.reads})
            for name in piece.done:
                del tensors[name]
            tensors.update(zip(piece.makes, found, strict=True))
        output = able[piece.layer].output
        shift = np.mean([_channel_mean(tensors[output]) for tensors in known], axis=0) - expected[output]
        for tensors in known:
            values = tensors[output]
            tensors[output] = (values - shift.reshape(1, -1, *[1] * (values.ndim - 2))).astype(values.dtype)
        yield piece.layer, shift


@dataclass(frozen=True)
class _Piece:
    """Nodes up to a layer: what they read of earlier pieces, what they leave, and what nobody needs after them."""

    layer: str
    nodes: list[Any]
    reads: list[str]
    makes: list[str]
    done: list[str]


def _pieces(graph: Any, layers: set[str]) -> Iterator[_Piece]:
    """Split what leads to the layers, in the order of computation; what comes after the last is left out."""
    groups: list[list[Any]] = [[]]
    for node in graph.node:
        groups[-1].append(node)
        if node.name in layers:
            groups.append([])
    groups.pop()
    constants = {tensor.name for tensor in graph.initializer}
    read = [{name for node in group for name in node.input if name and name not in constants} for group in groups]
    held = {"image"}
    for at, group in enumerate(groups):
        made = {name for node in group for name in node.output}
        later = set().union(*read[at + 1 :])
        makes = sorted((made & later) | {group[-1].output[0]})
        held |= set(makes)
        done = sorted(held - later - {group[-1].output[0]} - made)
        yield _Piece(group[-1].name, group, sorted(read[at] - made), makes, done)
        held -= set(done)


def _open(graph: Any, model: Any, nodes: Sequence[Any], reads: Sequence[str], makes: Sequence[str]) -> Any:
    """Part of a graph that is computed as ONNX defines it."""
    onnx = require("onnx", "export")
    used = {name for node in nodes for name in node.input}
    kinds = {info.name: info.type for info in (*graph.input, *graph.value_info, *graph.output)}
    part = onnx.helper.make_graph(
        list(nodes),
        "piece",
        [onnx.ValueInfoProto(name=name, type=kinds[name]) for name in reads],
        [onnx.ValueInfoProto(name=name, type=kinds.get(name)) for name in makes],
        [tensor for tensor in graph.initializer if tensor.name in used],
    )
    whole = onnx.helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
    with quiet():
        return open_session(whole.SerializeToString(), NOTHING, spins=False)


def _with_biases(model: Any, able: Mapping[str, _Layer], shifts: Mapping[str, Float64]) -> Any:
    onnx = require("onnx", "export")
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    by_bias = {able[name].bias: shift for name, shift in shifts.items()}
    for tensor in changed.graph.initializer:
        if (shift := by_bias.get(tensor.name)) is not None:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array((values - shift).astype(values.dtype), tensor.name))
    return changed
