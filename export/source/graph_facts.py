"""What a foreign ONNX graph says about its own input and output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, shape_inference

from edgeseg.console.quiet import quiet
from edgeseg.errors import SpecError

IMAGE_CHANNELS = (1, 3)
LAYOUT_ONLY = ("Identity", "Transpose")

Dims = list[int | None]


@dataclass(frozen=True)
class GraphFacts:
    """What an ONNX graph says about itself.

    Attributes:
        input_size: (channels, height, width), None where dynamic.
        logits: channels of the output, or None when unknown.
        channels_last: the input is ``[1, H, W, C]``, as TensorFlow has it.
        sigmoids: it ends in a Sigmoid, so that every channel says yes or no by itself.
    """

    input_size: tuple[int | None, int | None, int | None]
    logits: int | None
    channels_last: bool = False
    sigmoids: bool = False


def graph_facts(model: onnx.ModelProto) -> GraphFacts:
    """Read input and output of a foreign graph.

    Raises:
        SpecError: not one float image, or not one float output of rank 4.
    """
    dims = static_dimensions(image_input(model.graph))
    channels_last = is_channels_last(dims)
    channels, height, width = (dims[3], dims[1], dims[2]) if channels_last else (dims[1], dims[2], dims[3])
    output = static_dimensions(logits_output(model.graph))
    logits = _logits(output, (height, width))
    if logits is None and not channels_last:
        logits = _logits(_infer(model), (height, width))
    node = last_operation(model.graph)
    sigmoids = node is not None and node.op_type == "Sigmoid"
    return GraphFacts((channels, height, width), logits, channels_last, sigmoids)


def last_operation(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """Find the last node before the output that does more than order its values; None where there is none."""
    makers: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type in LAYOUT_ONLY:
        node = makers.get(node.input[0])
    return node


def keep_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Keep one output only; what leads to the others falls away when the graph is simplified.

    Raises:
        SpecError: it has no output of that name.
    """
    kept = [entry for entry in model.graph.output if entry.name == name]
    if not kept:
        raise SpecError(f"This file has no output {name!r}; `logits` can be one of {list_names(model.graph.output)}.")
    reduced = onnx.ModelProto()
    reduced.CopyFrom(model)
    del reduced.graph.output[:]
    reduced.graph.output.extend(kept)
    return reduced


def image_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """Find the one input that is no weight; files of before ONNX 1.4 list every weight as an input."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [entry for entry in graph.input if entry.name not in weights]
    if len(inputs) != 1:
        raise SpecError(
            f"A segmentation network has one image input; this file has {len(inputs)}: {list_names(inputs)}."
        )
    dims, kind = static_dimensions(inputs[0]), inputs[0].type.tensor_type.elem_type
    whole = kind == TensorProto.FLOAT and len(dims) == 4 and dims[0] in (1, None)
    if not whole or (dims[1] not in (*IMAGE_CHANNELS, None) and not is_channels_last(dims)):
        raise SpecError(
            f"The input must be float32 [1, C, H, W] or [1, H, W, C] with 1 or 3 channels; found {list_names(inputs)}. "
            "Export the model again that way."
        )
    return inputs[0]


def logits_output(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """Find the one output of the graph."""
    if len(graph.output) != 1:
        raise SpecError(
            f"A segmentation network has one output; this file has {len(graph.output)}: {list_names(graph.output)}. "
            "Name the one that holds the logits: `logits=NAME`."
        )
    output: onnx.ValueInfoProto = graph.output[0]
    dims, kind = static_dimensions(output), output.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT or len(dims) not in (0, 4):
        raise SpecError(
            f"The output must be float32 logits [1, K, H, W]; found {list_names([output])}. "
            "Export the model without its own ArgMax."
        )
    return output


def is_channels_last(dims: Dims) -> bool:
    """Tell whether only the last of four dimensions can be the channels of an image."""
    return len(dims) == 4 and dims[3] in IMAGE_CHANNELS and dims[1] not in IMAGE_CHANNELS


def static_dimensions(entry: onnx.ValueInfoProto) -> Dims:
    """Read the sizes, None where dynamic; empty when the file does not say."""
    dims = entry.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims]


def list_names(entries: Sequence[onnx.ValueInfoProto]) -> str:
    """Word names, types and sizes, for messages."""

    def one(entry: onnx.ValueInfoProto) -> str:
        kind = TensorProto.DataType.Name(entry.type.tensor_type.elem_type).lower()
        return f"{entry.name} {kind} {[d or '?' for d in static_dimensions(entry)]}"

    return ", ".join(map(one, entries)) or "none"


def _infer(model: onnx.ModelProto) -> Dims:
    """The size of the output as the weights imply it, where the file calls it dynamic."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    bare.graph.output[0].type.tensor_type.ClearField("shape")
    try:
        with quiet():
            return static_dimensions(shape_inference.infer_shapes(bare).graph.output[0])
    except (RuntimeError, ValueError, shape_inference.InferenceError):
        return []


def _logits(output: Dims, size: tuple[int | None, int | None]) -> int | None:
    if len(output) != 4:
        return None
    last = None not in size and tuple(output[1:3]) == size != tuple(output[2:4])
    return output[3] if last else output[1]
