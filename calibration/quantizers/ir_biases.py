"""Biases of a quantised OpenVINO model that make up for what rounding shifts.

As :mod:`~edgeseg.calibration.quantizers.bias_correction` does it for ONNX: the mean of each output channel is compared
with that in float, and the difference goes into the bias, layer after layer, each with the layers before it corrected.
The model is computed in pieces that each end at a layer, as its file says it: without OpenVINO's low-precision kernels,
so that the biases are the same on each processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.calibration.equalisation.ir_steps import CONVOLUTIONS, name_output
from edgeseg.calibration.rounding.ir_rounded import is_coded
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.graphs.ir_file import logits_output
from edgeseg.image import UInt8
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.spec import ModelSpec

Float64 = npt.NDArray[np.float64]
Tensors = dict[str, npt.NDArray[Any]]

AS_THE_FILE_SAYS = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": "NO"}


def correct_ir_biases(model: Any, quantised: Any, pictures: Sequence[UInt8]) -> int:
    """Correct the biases of convolutions; those that have none are given one.

    Args:
        model: the float model, as :func:`edgeseg.graphs.ir_file.read_ir` gives it. Not changed.
        quantised: what it became, its nodes under the same friendly names. Changed in place.
        pictures: network inputs (1, H, W, C) that show what is usual.

    Returns:
        How many layers were corrected.
    """
    with quiet():
        names = {node.get_friendly_name() for node in model.get_ordered_ops()}
        layers = [node for node in quantised.get_ordered_ops() if _is_layer(node)]
        ends = {node.get_friendly_name(): _bias_of(node) or _add_bias(node) for node in layers}
        ends = {layer: end for layer, end in ends.items() if layer in names}
        expected = _means(model, {layer: _end_in_float(end, layer, names) for layer, end in ends.items()}, pictures)
        for layer, shift in _walk(quantised, ends, pictures, expected):
            _shift_bias(ends[layer], shift)
    return len(ends)


def keeps_more_labels(model: Any, corrected: Any, plain: Any, pictures: Sequence[UInt8], spec: ModelSpec) -> bool:
    """Tell whether a corrected model gives at least as many labels of the float ``model`` as the ``plain`` one does.

    Where a layer's values are lost below one step, their mean is not: put into the bias, it moves the labels of all
    pixels alike, for which values that are lost do less harm.

    Args:
        model: in float. The three are not changed.
        corrected, plain: quantised.
        pictures: network inputs (1, H, W, C).
        spec: how logits become labels.
    """
    wanted, one, other = (_labels(each, pictures, spec) for each in (model, corrected, plain))
    return bool(np.mean(one != wanted) <= np.mean(other != wanted))


def _labels(model: Any, pictures: Sequence[UInt8], spec: ModelSpec) -> npt.NDArray[Any]:
    openvino = require("openvino", "export")
    with quiet():
        copy = model.clone()
        cut = openvino.Model([logits_output(copy)], copy.get_parameters())
        compiled = shared_core("export").compile_model(cut, "CPU", AS_THE_FILE_SAYS)
    found = np.concatenate([np.array(compiled(picture)[0]) for picture in pictures])
    return found.argmax(1) if spec.task == "multiclass" else found > 0


def _is_layer(node: Any) -> bool:
    return node.get_type_name() in CONVOLUTIONS and is_coded(node)


def _bias_of(node: Any) -> Any:
    """The Add behind a layer that alone reads it and has a constant for each channel, or None."""
    targets = list(node.output(0).get_target_inputs())
    add = targets[0].get_node() if len(targets) == 1 else None
    if add is None or add.get_type_name() != "Add":
        return None
    bias = add.input_value(1 - targets[0].get_index()).get_node()
    is_channels = bias.get_type_name() == "Constant" and bias.data.size == node.get_output_shape(0)[1]
    return add if is_channels and bias.data.ndim == len(node.get_output_shape(0)) else None


def _add_bias(node: Any) -> Any:
    openvino = require("openvino", "export")
    targets = node.output(0).get_target_inputs()
    shape = node.get_output_shape(0)
    zeros = np.zeros((1, shape[1], *[1] * (len(shape) - 2)), np.float32)
    add = openvino.opset13.add(node.output(0), openvino.op.Constant(zeros))
    add.set_friendly_name(f"{node.get_friendly_name()}/corrected")
    for target in targets:
        target.replace_source_output(add.output(0))
    return add


def _end_in_float(end: Any, layer: str, names: set[str]) -> str:
    """Where the float model has what the bias of the quantised one gives."""
    name = str(end.get_friendly_name())
    return name if name in names else layer


def _means(model: Any, ends: Mapping[str, str], pictures: Sequence[UInt8]) -> dict[str, Float64]:
    """The mean of each channel over the pictures, by layer."""
    openvino = require("openvino", "export")
    copy = model.clone()
    made = {node.get_friendly_name(): node for node in copy.get_ordered_ops()}
    means = [_mean(openvino, made[name].output(0)) for name in ends.values()]
    compiled = shared_core("export").compile_model(
        openvino.Model(means, copy.get_parameters()), "CPU", AS_THE_FILE_SAYS
    )
    total: list[Any] = [0.0] * len(ends)
    for picture in pictures:
        found = compiled(picture)
        total = [before + np.asarray(found[at], np.float64) for at, before in enumerate(total)]
    return {layer: values / len(pictures) for layer, values in zip(ends, total, strict=True)}


def _mean(openvino: Any, value: Any) -> Any:
    axes = [0, *range(2, len(value.get_shape()))]
    return openvino.opset13.reduce_mean(value, axes, False).output(0)


def _walk(
    quantised: Any, ends: Mapping[str, Any], pictures: Sequence[UInt8], expected: Mapping[str, Float64]
) -> Iterator[tuple[str, Float64]]:
    """Compute the quantised network piece by piece; yield each layer's shift, and go on as if it were corrected."""
    known: list[Tensors] = [{"image": picture} for picture in pictures]
    for piece in _pieces(quantised, {end.get_friendly_name(): layer for layer, end in ends.items()}):
        compiled = shared_core("export").compile_model(piece.model, "CPU", AS_THE_FILE_SAYS)
        shifts = []
        for tensors in known:
            found = compiled([tensors[name] for name in piece.reads])
            tensors.update({name: np.array(found[at]) for at, name in enumerate(piece.makes)})
            for name in piece.done:
                del tensors[name]
            values = tensors[piece.end]
            shifts.append(np.asarray(values, np.float64).mean((0, *range(2, values.ndim))))
        shift: Float64 = np.mean(shifts, axis=0) - expected[piece.layer]
        for tensors in known:
            values = tensors[piece.end]
            tensors[piece.end] = (values - shift.reshape(1, -1, *[1] * (values.ndim - 2))).astype(values.dtype)
        yield piece.layer, shift


@dataclass
class _Piece:
    """What leads to a layer: what it reads of earlier pieces, what it leaves, and what nobody needs after it."""

    layer: str
    end: str
    model: Any
    reads: list[str]
    makes: list[str]
    done: list[str]


@dataclass
class _Cut:
    """A value that later pieces read, as an input of theirs."""

    value: Any
    made_in: int
    parameter: Any
    read_in: set[int] = field(default_factory=set)


def _pieces(quantised: Any, layers: Mapping[str, str]) -> Iterator[_Piece]:
    """Split a copy at the nodes ``layers``, in the order of computation; what comes after the last is left out."""
    openvino = require("openvino", "export")
    copy = quantised.clone()
    groups, ends = _group(copy, layers)
    cuts = _cut(copy, groups, len(ends), openvino)
    for at, end in enumerate(ends):
        name = name_output(end.output(0))
        reads = sorted(one for one, cut in cuts.items() if at in cut.read_in)
        makes = {one: cut.value for one, cut in cuts.items() if cut.made_in == at} | {name: end.output(0)}
        last = {one: max(cut.read_in) for one, cut in cuts.items()}
        model = openvino.Model(list(makes.values()), [cuts[one].parameter for one in reads])
        done = [one for one, when in last.items() if when == at]
        yield _Piece(layers[end.get_friendly_name()], name, model, reads, list(makes), done)


def _group(model: Any, layers: Mapping[str, str]) -> tuple[dict[str, int], list[Any]]:
    """By name of the node, the piece that computes it, for all that hangs on the image; and the last of each piece."""
    groups: dict[str, int] = {}
    ends: list[Any] = []
    for node in model.get_ordered_ops():
        hangs = any(value.get_node().get_name() in groups for value in node.input_values())
        if node.get_type_name() == "Parameter":
            groups[node.get_name()] = -1
        elif hangs:
            groups[node.get_name()] = len(ends)
            if node.get_friendly_name() in layers:
                ends.append(node)
    return groups, ends


def _cut(model: Any, groups: Mapping[str, int], pieces: int, openvino: Any) -> dict[str, _Cut]:
    """Let each piece read what earlier ones make as an input."""
    cuts: dict[str, _Cut] = {}
    for node in model.get_ordered_ops():
        made_in = groups.get(node.get_name())
        for output in node.outputs() if made_in is not None else ():
            for target in output.get_target_inputs():
                read_in = groups.get(target.get_node().get_name(), pieces)
                if read_in == made_in or read_in >= pieces:
                    continue
                name = "image" if node.get_type_name() == "Parameter" else name_output(output)
                if name not in cuts:
                    parameter = openvino.opset13.parameter(output.get_partial_shape(), output.get_element_type())
                    cuts[name] = _Cut(output, int(made_in or 0) if made_in != -1 else -1, parameter)
                cuts[name].read_in.add(read_in)
                target.replace_source_output(cuts[name].parameter.output(0))
    return cuts


def _shift_bias(add: Any, shift: Float64) -> None:
    openvino = require("openvino", "export")
    at = next(at for at in (0, 1) if add.input_value(at).get_node().get_type_name() == "Constant")
    bias = add.input_value(at).get_node()
    values = np.array(bias.data, np.float64) - shift.reshape(bias.data.shape)
    constant = openvino.op.Constant(values.astype(np.float32))
    constant.set_friendly_name(bias.get_friendly_name())
    add.input(at).replace_source_output(constant.output(0))
