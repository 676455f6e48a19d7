"""An ONNX graph as steps, and factors written into its constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.calibration.equalisation.steps import Float64, Kind, Step, Steps, Weights
from edgeseg.console.extras import require
from edgeseg.graphs.onnx_graph import float_activations, is_surrounding

PASSING = frozenset(
    {
        "Add", "AveragePool", "BatchNormalization", "Div", "Dropout", "GlobalAveragePool", "GlobalMaxPool", "Identity",
        "LeakyRelu", "Max", "MaxPool", "Mean", "Min", "Mul", "Neg", "PRelu", "Pad", "ReduceMax", "ReduceMean",
        "ReduceMin", "ReduceSum", "Relu", "Resize", "Slice", "Sub", "Sum", "Upsample",
    }
)  # fmt: skip
"""Positively homogeneous operations, channel by channel; some only as :func:`_passes` allows."""
SQUASHING = frozenset({"Sigmoid", "HardSigmoid", "Softmax", "Clip"})
IMAGE_RANK = 4
FLOAT = 1

Constants = Mapping[str, Any]


def steps_from_onnx(model: Any) -> Steps:
    """Read the network of a deployed graph, whose shapes are inferred.

    Preprocessing, post-processing and whatever is not known to pass a factor on stop it.
    """
    to_array = require("onnx.numpy_helper", "export").to_array
    constants = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    channels = _channels(model)
    made = {name: node for node in model.graph.node for name in node.output}
    steps = (_step(node, constants, channels, made) for node in model.graph.node)
    return Steps(tuple(step for found in steps for step in found), channels)


def _channels(model: Any) -> dict[str, int]:
    """Channels of the float tensors (N, C, H, W) that change with the image."""
    floats = float_activations(model)
    found = {}
    for info in (*model.graph.value_info, *model.graph.output):
        shape = info.type.tensor_type.shape.dim
        if info.name in floats and len(shape) == IMAGE_RANK and shape[1].dim_value > 0:
            found[info.name] = int(shape[1].dim_value)
    return found


def _step(node: Any, constants: Constants, channels: Mapping[str, int], made: Mapping[str, Any]) -> list[Step]:
    reads = tuple(name for name in node.input if name in channels)
    makes = tuple(name for name in node.output if name in channels)
    if is_surrounding(node) or not makes or not reads:
        return [Step(Kind.STOPS, reads, makes, node=node)]
    if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in constants and len(reads) == 1:
        return [Step(Kind.WEIGHS, reads, makes, canonical_weights(node, constants[node.input[1]]), node)]
    if node.op_type == "Concat" and attribute(node, "axis") in (1, 1 - IMAGE_RANK) and len(reads) == len(node.input):
        return [Step(Kind.JOINS, reads, makes, node=node)]
    if node.op_type in PASSING and _passes(node, constants, reads):
        return _passing(node, reads, makes, made)
    return [Step(Kind.STOPS, reads, makes, node=node)]


def _passing(node: Any, reads: tuple[str, ...], makes: tuple[str, ...], made: Mapping[str, Any]) -> list[Step]:
    """A product of two activations scales with one of them: not with the gate."""
    if node.op_type not in ("Mul", "Div") or len(reads) < 2:
        return [Step(Kind.PASSES, reads, makes, node=node)]
    gate = next((name for name in reads if name in made and made[name].op_type in SQUASHING), reads[1])
    if node.op_type == "Div":
        gate = reads[1]
    others = tuple(name for name in reads if name != gate)
    return [Step(Kind.PASSES, others, makes, node=node), Step(Kind.STOPS, (gate,), (), node=node)]


def _passes(node: Any, constants: Constants, reads: tuple[str, ...]) -> bool:
    """Whether the operation, with these settings, keeps channels apart and takes constants that can be scaled."""
    given = [name for name in node.input if name]
    if len(node.output) > 1 and any(node.output[1:]) and node.op_type in ("MaxPool", "BatchNormalization", "Dropout"):
        return False
    check = _CHECKS.get(node.op_type)
    if check is not None:
        return check(node, constants)
    if node.op_type in ("Max", "Min", "Mean", "Sum"):
        return all(name in reads for name in given)
    return all(name in reads or name in constants for name in given)


def _spatial(axes: Any) -> bool:
    return axes is not None and all(int(axis) % IMAGE_RANK > 1 for axis in np.ravel(axes))


def _reduces_space(node: Any, constants: Constants) -> bool:
    axes = attribute(node, "axes")
    if axes is None and len(node.input) > 1:
        axes = constants.get(node.input[1])
    return _spatial(axes) and attribute(node, "keepdims", 1) == 1


def _slices_space(node: Any, constants: Constants) -> bool:
    return len(node.input) > 3 and _spatial(constants.get(node.input[3]))


def _pads_space(node: Any, constants: Constants) -> bool:
    """With zeros, or with what stands at the border."""
    pads = constants.get(node.input[1]) if len(node.input) > 1 else attribute(node, "pads")
    value = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
    if pads is None:
        return False
    is_plain = np.size(pads) == 2 * IMAGE_RANK and len([n for n in node.input if n]) < 4
    zero = attribute(node, "mode", b"constant") != b"constant" or (value is not None and not np.any(value))
    return bool(is_plain and zero and not np.any(np.reshape(pads, (2, IMAGE_RANK))[:, :2]))


def _resizes_space(node: Any, constants: Constants) -> bool:
    return bool(attribute(node, "coordinate_transformation_mode", b"") != b"tf_crop_and_resize")


def _divides_by_constant(node: Any, constants: Constants) -> bool:
    return node.input[0] not in constants


_CHECKS: Mapping[str, Callable[[Any, Constants], bool]] = {
    "ReduceMax": _reduces_space,
    "ReduceMean": _reduces_space,
    "ReduceMin": _reduces_space,
    "ReduceSum": _reduces_space,
    "Slice": _slices_space,
    "Pad": _pads_space,
    "Resize": _resizes_space,
    "Upsample": _resizes_space,
    "Div": _divides_by_constant,
}


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """Read an attribute of a node, or the default."""
    helper = require("onnx.helper", "export")
    found = next((one for one in node.attribute if one.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def canonical_weights(node: Any, values: Any) -> Weights:
    """Bring the weights of a Conv or ConvTranspose to (outputs, inputs of one group, taps)."""
    groups = int(attribute(node, "group", 1))
    flat: Float64 = values.reshape(*values.shape[:2], -1).astype(np.float64)
    if node.op_type == "Conv":
        return Weights(flat, groups)
    inputs, outputs, taps = flat.shape
    turned = flat.reshape(groups, inputs // groups, outputs, taps).swapaxes(1, 2)
    return Weights(np.ascontiguousarray(turned.reshape(groups * outputs, inputs // groups, taps)), groups)


def write_factors(model: Any, net: Steps, exponents: Mapping[str, Ints]) -> Any:
    """Copy ``model`` with its constants multiplied, so that tensors carry the factors ``2 ** exponents``.

    Args:
        model: as it was given to :func:`steps_from_onnx`. Not changed.
        net: what that gave.
        exponents: (channels,) by tensor.
    """
    copy = require("onnx", "export").ModelProto()
    copy.CopyFrom(model)
    constants = _Constants(copy)
    nodes = {node.output[0]: node for node in copy.graph.node}
    for step in net.steps:
        if step.kind is Kind.STOPS or not step.makes or step.makes[0] not in nodes:
            continue
        node = nodes[step.makes[0]]
        makes = exponents.get(step.makes[0])
        if step.kind is Kind.WEIGHS:
            _rescale(node, constants, exponents.get(step.reads[0]), makes)
        elif makes is not None:
            _rescale_constants(node, constants, makes)
    constants.drop_unread()
    return copy


def _rescale(node: Any, constants: _Constants, reads: Ints | None, makes: Ints | None) -> None:
    values = constants[node.input[1]]
    groups = int(attribute(node, "group", 1))
    weights = canonical_weights(node, values)
    change = np.zeros(weights.values.shape[:2], np.int64)
    if reads is not None:
        change -= reads[weights.inputs()]
    if makes is not None:
        change += makes[:, np.newaxis]
    if node.op_type == "ConvTranspose":
        outputs = weights.values.shape[0] // groups
        change = change.reshape(groups, outputs, -1).swapaxes(1, 2).reshape(values.shape[:2])
    if change.any():
        constants.replace(node, 1, np.ldexp(values, change.reshape(change.shape + (1,) * (values.ndim - 2))))
    if makes is not None and len(node.input) > 2 and node.input[2]:
        constants.replace(node, 2, np.ldexp(constants[node.input[2]], makes))


_SHIFTS = {"Add": (0, 1), "Sub": (0, 1), "BatchNormalization": (2, 3)}
"""Inputs whose constants are in the units of the result: what is added, a norm's shift and mean."""


def _rescale_constants(node: Any, constants: _Constants, makes: Ints) -> None:
    for at in _SHIFTS.get(node.op_type, ()):
        if at < len(node.input) and node.input[at] in constants:
            values = constants[node.input[at]]
            along = makes if node.op_type == "BatchNormalization" else makes.reshape(1, -1, 1, 1)
            constants.replace(node, at, np.ldexp(values, along))


class _Constants:
    """The initializers of a graph; one that several nodes read is copied for whoever changes it."""

    def __init__(self, model: Any) -> None:
        self._graph = model.graph
        self._helper = require("onnx.numpy_helper", "export")
        self._of = {tensor.name: tensor for tensor in model.graph.initializer}

    def __contains__(self, name: str) -> bool:
        return name in self._of

    def __getitem__(self, name: str) -> Any:
        return self._helper.to_array(self._of[name])

    def replace(self, node: Any, at: int, values: Any) -> None:
        name = node.input[at]
        if sum(name == read for other in self._graph.node for read in other.input) > 1:
            name = f"{name}/of/{node.output[0]}"
            node.input[at] = name
        tensor = self._helper.from_array(np.ascontiguousarray(values, np.float32), name)
        if name in self._of:
            self._of[name].CopyFrom(tensor)
        else:
            self._graph.initializer.append(tensor)
            self._of[name] = self._graph.initializer[-1]

    def drop_unread(self) -> None:
        read = {name for node in self._graph.node for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)
