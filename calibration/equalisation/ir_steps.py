"""An OpenVINO model as steps, and factors written into its constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.calibration.equalisation.steps import Float64, Kind, Step, Steps, Weights
from edgeseg.console.extras import require

PASSING = frozenset(
    {
        "Add", "AvgPool", "Convert", "Divide", "Interpolate", "MaxPool", "Maximum", "Minimum", "Multiply", "Negative",
        "PRelu", "Pad", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Slice", "StridedSlice",
        "Subtract",
    }
)  # fmt: skip
"""Positively homogeneous operations, channel by channel; some only as :func:`_passes` allows."""
CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData")
SQUASHING = frozenset({"Sigmoid", "HardSigmoid", "Softmax", "Clamp", "HSigmoid"})
SURROUNDINGS = "edgeseg/"
IMAGE_RANK = 4


def steps_from_ir(model: Any) -> Steps:
    """Read the network of an ``openvino.Model`` of the deployed graph.

    Preprocessing, post-processing and whatever is not known to pass a factor on stop it.
    """
    from_image: set[str] = set()
    channels: dict[str, int] = {}
    steps: list[Step] = []
    for node in model.get_ordered_ops():
        if _depends(node, from_image):
            from_image.add(node.get_name())
            channels.update(_channels(node))
            steps += _step(node, channels)
    return Steps(tuple(steps), channels)


def name_output(output: Any) -> str:
    """Name an output of a node of one model; friendly names are kept by copies."""
    node = output.get_node()
    return (
        str(node.get_friendly_name()) if node.get_output_size() == 1 else f"{node.get_friendly_name()}:{output.index}"
    )


def _depends(node: Any, from_image: set[str]) -> bool:
    if node.get_type_name() == "Parameter":
        return True
    return any(value.get_node().get_name() in from_image for value in node.input_values())


def _channels(node: Any) -> dict[str, int]:
    found = {}
    for output in node.outputs() if node.get_type_name() != "Result" else ():
        shape = output.get_partial_shape()
        is_image = output.get_element_type().is_real() and shape.rank.is_static and len(shape) == IMAGE_RANK
        if is_image and shape[1].is_static:
            found[name_output(output)] = int(shape[1].get_length())
    return found


def _step(node: Any, channels: Mapping[str, int]) -> list[Step]:
    kind = node.get_type_name()
    reads = tuple(name for name in (name_output(value) for value in node.input_values()) if name in channels)
    makes = tuple(name for name in map(name_output, node.outputs()) if name in channels) if kind != "Result" else ()
    if not reads or not makes or node.get_friendly_name().startswith(SURROUNDINGS):
        return [Step(Kind.STOPS, reads, makes, node=node)]
    if kind in CONVOLUTIONS and len(reads) == 1 and _constant(node, 1) is not None:
        return [Step(Kind.WEIGHS, reads, makes, _canonical(kind, _constant(node, 1)), node)]
    if (
        kind == "Concat"
        and len(reads) == node.get_input_size()
        and node.get_attributes()["axis"] in (1, 1 - IMAGE_RANK)
    ):
        return [Step(Kind.JOINS, reads, makes, node=node)]
    if kind in PASSING and len(makes) == 1 and _passes(node, reads):
        return _passing(node, reads, makes)
    return [Step(Kind.STOPS, reads, makes, node=node)]


def _joins_channels(node: Any) -> bool:
    return bool(node.get_attributes()["axis"] in (1, 1 - IMAGE_RANK))


def _passing(node: Any, reads: tuple[str, ...], makes: tuple[str, ...]) -> list[Step]:
    """A product of two activations scales with one of them: not with the gate."""
    if node.get_type_name() not in ("Multiply", "Divide") or len(reads) < 2:
        return [Step(Kind.PASSES, reads, makes, node=node)]
    made_by = {name_output(value): value.get_node().get_type_name() for value in node.input_values()}
    gate = next((name for name in reads if made_by[name] in SQUASHING), reads[1])
    if node.get_type_name() == "Divide":
        gate = reads[1]
    others = tuple(name for name in reads if name != gate)
    return [Step(Kind.PASSES, others, makes, node=node), Step(Kind.STOPS, (gate,), (), node=node)]


def _passes(node: Any, reads: tuple[str, ...]) -> bool:
    """Whether the operation, with these settings, keeps channels apart and needs no constant that we cannot scale."""
    check = _CHECKS.get(node.get_type_name())
    if check is not None:
        return bool(check(node))
    if node.get_type_name() in ("Maximum", "Minimum"):
        return bool(len(reads) == node.get_input_size())
    others = [at for at, value in enumerate(node.input_values()) if name_output(value) not in reads]
    return all(_constant(node, at) is not None for at in others)


def _constant(node: Any, at: int) -> Any:
    if at >= node.get_input_size():
        return None
    maker = node.input_value(at).get_node()
    return np.array(maker.data) if maker.get_type_name() == "Constant" else None


def _spatial(axes: Any) -> bool:
    return axes is not None and all(int(axis) % IMAGE_RANK > 1 for axis in np.ravel(axes))


def _reduces_space(node: Any) -> bool:
    return _spatial(_constant(node, 1)) and bool(node.get_attributes()["keep_dims"])


def _slices_space(node: Any) -> bool:
    return _spatial(_constant(node, 4))


def _pads_space(node: Any) -> bool:
    """With zeros, or with what stands at the border."""
    before, after, value = (_constant(node, at) for at in (1, 2, 3))
    zero = node.get_attributes()["pad_mode"] != "constant" or value is None or not np.any(value)
    return bool(before is not None and after is not None and zero and not np.any([before[:2], after[:2]]))


def _interpolates_space(node: Any) -> bool:
    axes = _constant(node, node.get_input_size() - 1) if node.get_input_size() > 2 else None
    pads = node.get_attributes().get("pads_begin"), node.get_attributes().get("pads_end")
    return (axes is None or len(axes) > 2 or _spatial(axes)) and not any(np.any(pad) for pad in pads if pad is not None)


def _divides_by_constant(node: Any) -> bool:
    return _constant(node, 0) is None


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "ReduceMax": _reduces_space,
    "ReduceMean": _reduces_space,
    "ReduceMin": _reduces_space,
    "ReduceSum": _reduces_space,
    "Slice": _slices_space,
    "StridedSlice": lambda node: False,
    "Pad": _pads_space,
    "Interpolate": _interpolates_space,
    "Divide": _divides_by_constant,
}


def _canonical(kind: str, values: Any) -> Weights:
    """Bring weights to (outputs, inputs of one group, taps)."""
    grouped = values if kind.startswith("Group") else values[np.newaxis]
    flat: Float64 = grouped.reshape(*grouped.shape[:3], -1).astype(np.float64)
    if kind.endswith("BackpropData"):
        flat = flat.swapaxes(1, 2)
    groups, outputs, inputs, taps = flat.shape
    return Weights(np.ascontiguousarray(flat.reshape(groups * outputs, inputs, taps)), groups)


def write_factors(model: Any, exponents: Mapping[str, Ints]) -> Any:
    """Copy ``model`` with its constants multiplied, so that values carry the factors ``2 ** exponents``.

    Args:
        model: as it was given to :func:`steps_from_ir`. Not changed.
        exponents: (channels,) by name of the output.
    """
    copy = model.clone()
    for node in copy.get_ordered_ops():
        if node.get_type_name() in ("Result", "Parameter", "Constant"):
            continue
        makes = exponents.get(name_output(node.output(0)))
        if node.get_type_name() in CONVOLUTIONS:
            _rescale(node, exponents.get(name_output(node.input_value(0))), makes)
        elif makes is not None and node.get_type_name() in ("Add", "Subtract"):
            for at in (0, 1):
                if (values := _constant(node, at)) is not None:
                    _replace(node, at, np.ldexp(values, makes.reshape(1, -1, 1, 1)))
    copy.validate_nodes_and_infer_types()
    return copy


def _rescale(node: Any, reads: Ints | None, makes: Ints | None) -> None:
    values = _constant(node, 1)
    if values is None or (reads is None and makes is None):
        return
    kind = node.get_type_name()
    weights = _canonical(kind, values)
    change: Ints = np.zeros(weights.values.shape[:2], np.int64)
    if reads is not None:
        change -= reads[weights.inputs()]
    if makes is not None:
        change += makes[:, np.newaxis]
    change = change.reshape(weights.groups, -1, change.shape[1])
    if kind.endswith("BackpropData"):
        change = change.swapaxes(1, 2)
    lead = values.shape[: 3 if kind.startswith("Group") else 2]
    _replace(node, 1, np.ldexp(values, change.reshape(lead + (1,) * (values.ndim - len(lead)))))


def _replace(node: Any, at: int, values: Any) -> None:
    old = node.input_value(at).get_node()
    constant = require("openvino", "export").op.Constant(np.ascontiguousarray(values, np.float32))
    constant.set_friendly_name(old.get_friendly_name())
    node.input(at).replace_source_output(constant.output(0))
