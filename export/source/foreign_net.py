"""A foreign ONNX graph as the bare network that the deployed graph wraps.

Bare means: one float32 input ``[1, C, H, W]`` of fixed size, one output ``[1, K, H, W]`` of logits,
opset 17 or newer, constants and BatchNorm folded. Every change is checked by running the graph before
and after.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import shape_inference

from edgeseg.console.quiet import quiet
from edgeseg.errors import SpecError
from edgeseg.export.graphs.deployed_graph import NORMALISED
from edgeseg.export.graphs.opset import OPSET, OpsetError, at_opset_17, check_operations, read_opset
from edgeseg.export.graphs.ort_session import Forward, make_forward
from edgeseg.export.graphs.simplify import simplify
from edgeseg.export.source.channels_first import bring_channels_first, input_layout
from edgeseg.export.source.first_nonfinite import nonfinite_source
from edgeseg.export.source.graph_facts import image_input, is_channels_last, last_operation, static_dimensions
from edgeseg.export.source.onnx_file import expect_float
from edgeseg.export.source.upsampling import UPSAMPLINGS, append_resize, enlarge_logits
from edgeseg.image import Float32, fit, normalise
from edgeseg.proof.samples import synthetic_samples
from edgeseg.spec import ModelSpec

TOLERANCE = 1e-3
WEIGHTS_ARE_NO_INPUTS = 4


def bare_net(model: onnx.ModelProto, spec: ModelSpec, upsample: str | None = None) -> tuple[onnx.ModelProto, Forward]:
    """Clean a foreign graph.

    Args:
        model: any graph that :func:`~edgeseg.export.source.graph_facts.graph_facts` accepts. Not changed.
        spec: gives the size that dynamic axes are fixed at.
        upsample: of :data:`~edgeseg.export.source.upsampling.UPSAMPLINGS`, for logits smaller than the input.

    Returns:
        The bare network, and the graph as it was given as a function to logits.

    Raises:
        ArtifactError: an operation that no engine knows, or a graph that is quantised already.
        SpecError: the output is no ``[1, K, H, W]`` of the spec or not finite, or a change altered the results.
    """
    expect_float(model)
    net = _inline_functions(model)
    check_operations(net)
    _drop_initializer_inputs(net)
    _fix_axes(net.graph, spec)
    run = make_forward(net)
    layout = input_layout(net.graph, run, spec)
    given, probes = layout.planes(run), probe_inputs(spec)
    expected = [given(probe) for probe in probes]
    _check_finite(net, expected, [layout.graph_input(probe) for probe in probes])
    _check_output(expected[0], spec, upsample)
    net = _upgrade(net)
    bring_channels_first(net.graph, layout, spec)
    activation = _strip_activation(net)
    _check_same_labels(make_forward(net), activation, probes, expected)
    if activation is None:
        refuse_probabilities(expected, spec)
    logits = _to_logits(given, activation)
    if expected[0].shape[2:] == (spec.height, spec.width) or upsample is None:
        return _lean(net, probes), logits
    append_resize(net, (spec.logit_channels, spec.height, spec.width), upsample)
    return _lean(net, probes), lambda values: enlarge_logits(logits(values), (spec.height, spec.width), upsample)


def strip_deployment(model: onnx.ModelProto) -> onnx.ModelProto:
    """Cut the bare network out of a deployed graph of ours.

    Raises:
        ArtifactError: the graph is quantised.
    """
    expect_float(model)
    with quiet():
        typed = shape_inference.infer_shapes(model)
        return onnx.utils.Extractor(typed).extract_model([NORMALISED], ["logits"])


def probe_inputs(spec: ModelSpec) -> list[Float32]:
    """Draw normalised inputs to compare graphs with: seeded pictures, as the network would really get them."""
    pictures = [sample.read()[0] for sample in synthetic_samples(spec)][:3]
    return [normalise(fit(picture, spec), spec)[np.newaxis] for picture in pictures]


def softmax(logits: Float32) -> Float32:
    """Compute the softmax over axis 1."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def sigmoid(logits: Float32) -> Float32:
    """Compute ``1 / (1 + exp(-x))`` of each logit, float32."""
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


def _inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which functions that the file defines itself are written out."""
    net = onnx.ModelProto()
    net.CopyFrom(model)
    if not net.functions:
        return net
    from onnx import inliner

    whole: onnx.ModelProto = inliner.inline_local_functions(net)
    return whole


def _drop_initializer_inputs(net: onnx.ModelProto) -> None:
    """Files of before IR version 4 list every weight as an input, and are read so only under their version."""
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(image_input(net.graph))
    del net.graph.input[:]
    net.graph.input.append(kept)
    net.ir_version = max(net.ir_version, WEIGHTS_ARE_NO_INPUTS)


def _fix_axes(graph: onnx.GraphProto, spec: ModelSpec) -> None:
    size = (spec.height, spec.width)
    last = is_channels_last(static_dimensions(image_input(graph)))
    sizes = (1, *size, spec.channels) if last else (1, spec.channels, *size)
    for dim, length in zip(graph.input[0].type.tensor_type.shape.dim, sizes, strict=True):
        dim.dim_value = length
    del graph.value_info[:]
    graph.output[0].type.tensor_type.ClearField("shape")


def _check_finite(net: onnx.ModelProto, outputs: list[Float32], inputs: list[Float32]) -> None:
    for output, values in zip(outputs, inputs, strict=True):
        if not np.isfinite(output).all():
            source = nonfinite_source(net, values) or "its last layer"
            raise SpecError(
                f"The network gives NaN or infinity for an ordinary picture, first in {source}. Check `mean`, `std` "
                "and `value_range`; if they are right, the weights are damaged or were trained in half precision."
            )


def _check_output(output: Float32, spec: ModelSpec, upsample: str | None) -> None:
    size = (spec.height, spec.width)
    expected = (1, spec.logit_channels, *size)
    if output.shape == expected:
        return
    if output.ndim != 4 or output.shape[1] != spec.logit_channels:
        raise SpecError(
            f"The output has shape {output.shape}; a {spec.task} task with {spec.num_classes} classes needs {expected}."
        )
    if upsample is None:
        raise SpecError(
            f"The output is {output.shape[2]}x{output.shape[3]} where the input is {spec.height}x{spec.width}. "
            f"Give `upsample={'` or `'.join(map(repr, UPSAMPLINGS))}`, whichever its training used (half-pixel "
            "centres are the default of PyTorch and of most code), or export the model with its final upsampling."
        )
    if output.shape[2] > spec.height or output.shape[3] > spec.width:
        raise SpecError(f"The output, {output.shape[2]}x{output.shape[3]}, is larger than the input {size}.")


def _upgrade(net: onnx.ModelProto) -> onnx.ModelProto:
    """At opset 17; a newer graph that cannot be lowered stays as it is."""
    try:
        net = at_opset_17(net)
    except OpsetError as error:
        if read_opset(net) < OPSET:
            raise SpecError(
                f"This file has opset {read_opset(net)} and cannot be brought to {OPSET}: {error}. "
                f"Export it again at opset {OPSET}."
            ) from None
    with quiet():
        return shape_inference.infer_shapes(net)


def _strip_activation(net: onnx.ModelProto) -> str | None:
    """Bypass a final Softmax or Sigmoid and return its type."""
    node = last_operation(net.graph)
    if node is None or node.op_type not in ACTIVATIONS:
        return None
    activation = str(node.op_type)
    node.op_type = "Identity"
    del node.attribute[:]
    return activation


def _check_same_labels(after: Forward, activation: str | None, probes: list[Float32], expected: list[Float32]) -> None:
    apply = ACTIVATIONS[activation] if activation else lambda logits: logits
    difference = _difference(lambda probe: apply(after(probe)), probes, expected)
    if not difference <= TOLERANCE:
        raise SpecError(
            f"Bringing this file to opset {OPSET} and taking off its final {activation or 'layer'} changed its "
            f"results by {difference:.3g} of their range. Export it again, at opset {OPSET} and with logits as output."
        )


def _lean(net: onnx.ModelProto, probes: list[Float32]) -> onnx.ModelProto:
    """The graph simplified, when that does not change its results."""
    with quiet():
        net = shape_inference.infer_shapes(net)
    plain, lean = make_forward(net), simplify(net)
    unchanged = _difference(make_forward(lean), probes, [plain(probe) for probe in probes]) <= TOLERANCE
    with quiet():
        return shape_inference.infer_shapes(lean) if unchanged else net


def _difference(found: Forward, probes: list[Float32], expected: list[Float32]) -> float:
    """Largest difference of any pixel, as a share of the largest value (of 1 where all are smaller)."""
    worst = 0.0
    for probe, before in zip(probes, expected, strict=True):
        share = float(np.abs(found(probe) - before).max()) / max(1.0, float(np.abs(before).max()))
        worst = share if not share <= worst else worst
    return worst


def refuse_probabilities(outputs: list[Float32], spec: ModelSpec) -> None:
    """Refuse probabilities: taken for logits they give wrong confidences, and for a binary task wrong masks."""
    needs_logits = spec.task != "multiclass" or spec.has_threshold
    if needs_logits and all(o.min() >= 0 and o.max() <= 1 for o in outputs):
        raise SpecError(
            "The output always lies in 0..1: it looks like probabilities, not logits, and no final Softmax or "
            "Sigmoid was found to take off. Export the model with logits as output."
        )
