"""A foreign ONNX graph as the bare network that the deployed graph wraps.

Bare means: one float32 input ``[1, C, H, W]`` of fixed size, one output ``[1, K, H, W]`` of logits,
opset 17 or newer. Every change is checked by running the graph before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, shape_inference

from edgeseg.calibration.quiet import quiet
from edgeseg.errors import SpecError
from edgeseg.export.deployed_graph import NORMALISED
from edgeseg.export.opset import OPSET, OpsetError, at_opset_17, opset_of
from edgeseg.export.ort_session import Forward, forward_of
from edgeseg.image import Float32
from edgeseg.spec import ModelSpec

LAYOUT_ONLY = ("Identity", "Transpose")
TOLERANCE = 1e-3


@dataclass(frozen=True)
class GraphFacts:
    """What an ONNX graph says about itself.

    Attributes:
        input_size: (channels, height, width), None where dynamic.
        logits: channels of the output, or None when unknown.
    """

    input_size: tuple[int | None, int | None, int | None]
    logits: int | None


def graph_facts(model: onnx.ModelProto) -> GraphFacts:
    """Read input and output of a foreign graph.

    Raises:
        SpecError: not one float image in NCHW, or not one output of rank 4.
    """
    dims = _dims(_image_input(model.graph))
    output = _dims(_logits_output(model.graph))
    return GraphFacts((dims[1], dims[2], dims[3]), output[1] if len(output) == 4 else None)


def bare_net(model: onnx.ModelProto, spec: ModelSpec) -> tuple[onnx.ModelProto, Forward]:
    """Clean a foreign graph.

    Args:
        model: any graph that :func:`graph_facts` accepts. Not changed.
        spec: gives the size that dynamic axes are fixed at.

    Returns:
        The bare network, and the graph as it was given as a function to logits.

    Raises:
        SpecError: the output is no ``[1, K, H, W]`` of the spec, or a change altered the results.
    """
    net = onnx.ModelProto()
    net.CopyFrom(model)
    _drop_initializer_inputs(net.graph)
    _fix_axes(net.graph, spec)
    before = forward_of(net)
    probes = probe_inputs(spec)
    expected = [before(probe) for probe in probes]
    _check_output(expected[0], spec)
    net = _upgraded(net)
    activation = _strip_activation(net)
    _check_unchanged(forward_of(net), activation, probes, expected)
    if activation is None:
        _refuse_probabilities(expected, spec)
    return net, _to_logits(before, activation)


def net_of_deployed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The bare network inside a deployed graph of ours."""
    with quiet():
        typed = shape_inference.infer_shapes(model)
        return onnx.utils.Extractor(typed).extract_model([NORMALISED], ["logits"])


def probe_inputs(spec: ModelSpec, count: int = 3) -> list[Float32]:
    """Normalised inputs to compare graphs with: noise at several scales, seeded."""
    rng = np.random.default_rng(0)
    shape = (1, spec.channels, spec.height, spec.width)
    return [rng.normal(0, 0.5 + i, shape).astype(np.float32) for i in range(count)]


def softmax(logits: Float32) -> Float32:
    """Over axis 1."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def sigmoid(logits: Float32) -> Float32:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


ACTIVATIONS: dict[str, Callable[[Float32], Float32]] = {"Softmax": softmax, "Sigmoid": sigmoid}


def _to_logits(forward: Forward, activation: str | None) -> Forward:
    """Undo a final Softmax (up to a constant a pixel) or Sigmoid numerically."""
    if activation is None:
        return forward

    def logits(values: Float32) -> Float32:
        p = np.clip(forward(values).astype(np.float64), 1e-30, 1 - 1e-16)
        return np.asarray(np.log(p) if activation == "Softmax" else np.log(p / (1 - p)), np.float32)

    return logits


def _image_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [entry for entry in graph.input if entry.name not in weights]
    if len(inputs) != 1:
        raise SpecError(f"A segmentation network has one image input; this file has {len(inputs)}: {_listed(inputs)}.")
    dims, kind = _dims(inputs[0]), inputs[0].type.tensor_type.elem_type
    if kind != TensorProto.FLOAT or len(dims) != 4 or dims[0] not in (1, None) or dims[1] not in (1, 3, None):
        raise SpecError(
            f"The input must be float32 [1, C, H, W] with 1 or 3 channels; found {_listed(inputs)}. "
            "Export the model anew that way."
        )
    return inputs[0]


def _logits_output(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    if len(graph.output) != 1:
        raise SpecError(
            f"A segmentation network has one output; this file has {len(graph.output)}: {_listed(list(graph.output))}. "
            "Keep one with onnx.utils.extract_model."
        )
    output: onnx.ValueInfoProto = graph.output[0]
    dims, kind = _dims(output), output.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT or len(dims) not in (0, 4):
        raise SpecError(
            f"The output must be float32 logits [1, K, H, W]; found {_listed([output])}. "
            "Export the model without its own ArgMax."
        )
    return output


def _dims(entry: onnx.ValueInfoProto) -> list[int | None]:
    dims = entry.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims]


def _listed(entries: list[onnx.ValueInfoProto]) -> str:
    def one(entry: onnx.ValueInfoProto) -> str:
        kind = TensorProto.DataType.Name(entry.type.tensor_type.elem_type).lower()
        return f"{entry.name} {kind} {[d or '?' for d in _dims(entry)]}"

    return ", ".join(map(one, entries)) or "none"


def _drop_initializer_inputs(graph: onnx.GraphProto) -> None:
    """Files of before ONNX 1.4 list every weight as an input."""
    image = _image_input(graph)
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(image)
    del graph.input[:]
    graph.input.append(kept)


def _fix_axes(graph: onnx.GraphProto, spec: ModelSpec) -> None:
    sizes = (1, spec.channels, spec.height, spec.width)
    for dim, size in zip(graph.input[0].type.tensor_type.shape.dim, sizes, strict=True):
        dim.dim_value = size
    del graph.value_info[:]
    output = graph.output[0].type.tensor_type
    output.ClearField("shape")


def _check_output(output: Float32, spec: ModelSpec) -> None:
    expected = (1, spec.logit_channels, spec.height, spec.width)
    if output.shape == expected:
        return
    if output.ndim == 4 and output.shape[1] == spec.logit_channels:
        raise SpecError(
            f"The output is {output.shape[2]}x{output.shape[3]} where the input is {spec.height}x{spec.width}. "
            "Export the model with its final upsampling, or with another --imgsz."
        )
    raise SpecError(
        f"The output has shape {output.shape}; a {spec.task} task with {spec.num_classes} classes needs {expected}."
    )


def _upgraded(net: onnx.ModelProto) -> onnx.ModelProto:
    """At opset 17; a newer graph that cannot be lowered stays as it is."""
    try:
        net = at_opset_17(net)
    except OpsetError as error:
        if opset_of(net) < OPSET:
            raise SpecError(f"This file has opset {opset_of(net)} and cannot be brought to {OPSET}: {error}.") from None
    with quiet():
        return shape_inference.infer_shapes(net)


def _strip_activation(net: onnx.ModelProto) -> str | None:
    """Bypass a final Softmax or Sigmoid and return its type."""
    makers = {name: node for node in net.graph.node for name in node.output}
    node = makers.get(net.graph.output[0].name)
    while node is not None and node.op_type in LAYOUT_ONLY:
        node = makers.get(node.input[0])
    if node is None or node.op_type not in ACTIVATIONS:
        return None
    activation = str(node.op_type)
    node.op_type = "Identity"
    del node.attribute[:]
    return activation


def _check_unchanged(after: Forward, activation: str | None, probes: list[Float32], expected: list[Float32]) -> None:
    apply = ACTIVATIONS[activation] if activation else lambda logits: logits
    for probe, before in zip(probes, expected, strict=True):
        difference = float(np.abs(apply(after(probe)) - before).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(before).max())):
            raise SpecError(
                f"Bringing this file to opset {OPSET} and taking off its final {activation or 'layer'} changed its "
                f"results by {difference:.3g}. Export it anew, at opset {OPSET} and with logits as output."
            )


def _refuse_probabilities(outputs: list[Float32], spec: ModelSpec) -> None:
    """Probabilities taken for logits give wrong confidences, and for a binary task wrong masks."""
    needs_logits = spec.task == "binary" or spec.threshold is not None
    if needs_logits and all(o.min() >= 0 and o.max() <= 1 for o in outputs):
        raise SpecError(
            "The output always lies in 0..1: it looks like probabilities, not logits, and no final Softmax or "
            "Sigmoid was found to take off. Export the model with logits as output."
        )
