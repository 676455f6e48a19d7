"""INT8 ONNX files with QuantizeLinear and DequantizeLinear, from a float graph and ranges.

The library decides scales and rewrites the graph; what is added here is that layers kept in float
read float, and that pre- and post-processing stay as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from edgeseg.calibration.quantizers.onnx_ranges import Ranges
from edgeseg.calibration.quantizers.ort_weights import choose_scales
from edgeseg.calibration.rounding.onnx_rounded import Rounded, replace_weights
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.graphs.onnx_graph import (
    float_activations,
    head_layers,
    initializers_read,
    is_surrounding,
    map_makers,
    weighted_layers,
)
from edgeseg.image import Float32

Q, DQ = "QuantizeLinear", "DequantizeLinear"
FLOAT_OUTPUT = ("Add", "AveragePool", "GlobalAveragePool", "Mul", "Resize", "Sum")
"""Carriers whose input alone is quantised: a ReLU may follow a sum, and the others round otherwise in INT8."""


@dataclass(frozen=True)
class QdqStyle:
    """What an engine wants of a quantised file.

    Attributes:
        activation, weight: names of :class:`onnxruntime.quantization.QuantType`.
        layers: operations with weights whose input and weights are quantised.
        carriers: operations between them whose inputs are quantised too, and but for :data:`FLOAT_OUTPUT` outputs.
        per_channel: one weight scale an output channel.
        symmetric: activation ranges around zero, so that zero points are 0.
        reduce_range: weights of 7 bits, so that sums of two products fit 16 bits.
        fine_pairs: with that, more bits for the weights of convolutions wherever such sums fit all the same.
        together: weights of convolutions are rounded together, see :mod:`edgeseg.calibration.rounding.compensated`.
        float_bias: biases are not quantised.
        float_head: the last layers before the logits are not quantised.
    """

    activation: str
    weight: str
    layers: tuple[str, ...]
    carriers: tuple[str, ...] = ()
    per_channel: bool = True
    symmetric: bool = False
    reduce_range: bool = False
    fine_pairs: bool = False
    together: bool = False
    float_bias: bool = False
    float_head: bool = True

    @property
    def ops(self) -> tuple[str, ...]:
        """Every operation that the style quantises something of."""
        return (*self.layers, *self.carriers)


def quantisable_layers(model: Any, style: QdqStyle) -> tuple[str, ...]:
    """List the names of the layers that ``style`` quantises, in the order of computation."""
    heads = head_layers(model.graph) if style.float_head else frozenset()
    return tuple(
        layer.node.name for layer in weighted_layers(model.graph, style.layers) if layer.node.name not in heads
    )


def tensors_to_watch(model: Any, style: QdqStyle) -> set[str]:
    """Find the activations whose ranges :func:`qdq_from_onnx` may need."""
    floats = float_activations(model)
    nodes = [node for node in model.graph.node if node.op_type in style.ops and not is_surrounding(node)]
    read = {name for node in nodes for name in node.input}
    makers = [node for node in nodes if node.op_type in style.carriers and node.op_type not in FLOAT_OUTPUT]
    made = {name for node in makers for name in node.output}
    return floats & (read | made)


def qdq_from_onnx(
    model: Any,
    ranges: Ranges,
    style: QdqStyle,
    keep_float: Collection[str] = (),
    shielded: Collection[str] = (),
    rounded: Mapping[str, Rounded] = MappingProxyType({}),
) -> Any:
    """Quantise a deployed graph.

    Args:
        model: as :func:`edgeseg.graphs.onnx_graph.load_graph` gives it. Not changed.
        ranges: of :func:`tensors_to_watch`.
        style: the engine's wishes.
        keep_float: names of layers that stay as they are.
        shielded: names of nodes that read and make codes like the others, and that no engine may fuse with them: they
            are computed in float, whatever the engine's own kernel does.
        rounded: weights in place of the model's, by their name; of layers in float they are passed over.

    Returns:
        An ``onnx.ModelProto`` with the same inputs, outputs and metadata.

    Raises:
        ArtifactError: nothing is left to quantise, or a name of ``keep_float`` is no layer.
    """
    layers = quantisable_layers(model, style)
    _check_names(keep_float, model)
    chosen = [name for name in layers if name not in keep_float]
    if not chosen:
        raise ArtifactError(_nothing_left(model, style, layers))
    excluded = _list_excluded(model, style, set(chosen))
    model, scales = replace_weights(model, rounded, chosen)
    quantised = _quantise(model, ranges, style, excluded, {**choose_weight_scales(model, style), **scales})
    _read_float(quantised, excluded)
    _shield(quantised.graph, shielded)
    _check_surroundings(model, quantised)
    return _finish(quantised, model)


def _check_names(keep_float: Collection[str], model: Any) -> None:
    known = {node.name for node in model.graph.node}
    if unknown := sorted(set(keep_float) - known):
        layers = [layer.node.name for layer in weighted_layers(model.graph)]
        raise ArtifactError(f"`keep_float` names no layer of this network: {unknown[0]!r}. Layers are {_some(layers)}.")


def _nothing_left(model: Any, style: QdqStyle, layers: Collection[str]) -> str:
    if layers:
        return "Every layer is kept in float, so there is no INT8 left. Keep fewer with `keep_float`."
    return (
        f"There is no layer to quantise: {', '.join(style.layers)} with constant weights are, and this network has "
        f"{_some(sorted({node.op_type for node in model.graph.node if not is_surrounding(node)}))}. "
        "Deploy it as fp32, or export the network again so that its weights are constants."
    )


def _some(names: Collection[str]) -> str:
    shown = list(names)[:12]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "")


def _list_excluded(model: Any, style: QdqStyle, chosen: set[str]) -> set[str]:
    """Everything that could be quantised but is not.

    What no layer with weights follows is not: codes of logits would draw coarse borders, and ONNX Runtime resizes them
    by a slower kernel than floats (16 ms against 1.6 at 184x240, 11 classes, on one core).
    """
    led = _find_before(model.graph, {layer.node.name for layer in weighted_layers(model.graph)})
    return {
        node.name
        for node in model.graph.node
        if is_surrounding(node)
        or (node.op_type in style.layers and node.name not in chosen)
        or (node.op_type in style.carriers and node.name not in led)
    }


def _find_before(graph: Any, layers: Collection[str]) -> set[str]:
    """Find the nodes whose results some of ``layers`` depend on, those themselves included."""
    makers = map_makers(graph)
    found = set(layers)
    waiting = [node for node in graph.node if node.name in found]
    for node in waiting:
        for before in (makers.get(name) for name in node.input):
            if before is not None and before.name not in found:
                found.add(before.name)
                waiting.append(before)
    return found


def choose_weight_scales(model: Any, style: QdqStyle) -> dict[str, Float32]:
    """Choose scales (outputs,) for weights of convolutions by their name, where the library's are not taken."""
    return choose_scales(model) if style.fine_pairs else {}


def _quantise(model: Any, ranges: Ranges, style: QdqStyle, excluded: set[str], scales: Mapping[str, Float32]) -> Any:
    quantization = require("onnxruntime.quantization", "export")
    calibrate = require("onnxruntime.quantization.calibrate", "export")
    quantizer = require("onnxruntime.quantization.qdq_quantizer", "export").QDQQuantizer
    kinds = quantization.QuantType
    pairs = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.of.items()}
    copy = require("onnx", "export").ModelProto()
    copy.CopyFrom(model)
    with quiet():
        made = quantizer(
            copy,
            style.per_channel,
            style.reduce_range,
            kinds[style.weight],
            kinds[style.activation],
            calibrate.TensorsData(quantization.CalibrationMethod.MinMax, pairs),
            [],
            sorted(excluded),
            list(style.ops),
            {**_options(style), "TensorQuantOverrides": _word_scales(scales)},
        )
        return made.quantize_model()


def _word_scales(scales: Mapping[str, Float32]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{"axis": 0, "scale": scale, "zero_point": np.int8(0)} for scale in of_weights]
        for name, of_weights in scales.items()
    }


def _options(style: QdqStyle) -> dict[str, Any]:
    return {
        "ActivationSymmetric": style.symmetric,
        "WeightSymmetric": True,
        "QuantizeBias": not style.float_bias,
        # A ReLU or a sum still works on what these make; whoever reads the end of that quantises it.
        "OpTypesToExcludeOutputQuantization": [*style.layers, *FLOAT_OUTPUT],
        "ForceQuantizeNoInputCheck": True,
    }


def _read_float(model: Any, excluded: set[str]) -> None:
    """Let every node that is not quantised read what it read before, not its quantised copy."""
    makers = map_makers(model.graph)
    for node in model.graph.node:
        if node.name in excluded:
            node.input[:] = [_before_quantising(name, makers) for name in node.input]
    _drop_unread(model.graph)


def _before_quantising(name: str, makers: Mapping[str, Any]) -> str:
    dequantise = makers.get(name)
    if dequantise is None or dequantise.op_type != DQ:
        return name
    quantise = makers.get(dequantise.input[0])
    return str(quantise.input[0]) if quantise is not None and quantise.op_type == Q else name


def _shield(graph: Any, names: Collection[str]) -> None:
    """Put a Max of one value, which is that value, between nodes and the codes they read: no pattern matches then."""
    make = require("onnx", "export").helper.make_node
    makers = map_makers(graph)
    constants = {tensor.name for tensor in graph.initializer}
    for node in [node for node in graph.node if node.name in names]:
        for i, name in enumerate(node.input):
            maker = makers.get(name)
            if maker is not None and maker.op_type == DQ and maker.input[0] not in constants:
                node.input[i] = f"{node.name}/shielded{i}"
                graph.node.append(make("Max", [name], [node.input[i]], name=node.input[i]))


def _drop_unread(graph: Any) -> None:
    """Remove pairs of Q and DQ that nobody reads any more, and constants with them."""
    outputs = {output.name for output in graph.output}
    while True:
        read = {name for node in graph.node for name in node.input} | outputs
        unread = [node for node in graph.node if node.op_type in (Q, DQ) and node.output[0] not in read]
        if not unread:
            break
        for node in unread:
            graph.node.remove(node)
    kept = list(initializers_read(graph))
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _check_surroundings(before: Any, after: Any) -> None:
    """Pre- and post-processing are, node for node, what they were."""
    expected = [node.SerializeToString() for node in before.graph.node if is_surrounding(node)]
    found = {node.SerializeToString() for node in after.graph.node if is_surrounding(node)}
    if set(expected) != found:
        raise ArtifactError("Quantisation changed the pre- or post-processing; the masks would be coarse.")


def _finish(quantised: Any, model: Any) -> Any:
    onnx = require("onnx", "export")
    # The library appends its nodes at the end; the format wants makers before readers.
    require("onnxruntime.quantization.onnx_model", "export").ONNXModel(quantised).topological_sort()
    del quantised.graph.value_info[:]
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(model.metadata_props)
    quantised.producer_name, quantised.producer_version = model.producer_name, model.producer_version
    onnx.checker.check_model(quantised, full_check=True)
    return quantised
