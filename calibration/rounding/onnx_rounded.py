"""Rounding the convolutions of an ONNX network by what they read on calibration images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.factors import choose_shown
from edgeseg.calibration.equalisation.onnx_steps import IMAGE_RANK, attribute
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.rounding.compensated import Float64
from edgeseg.calibration.rounding.kernel import SHOWN_IMAGES, Geometry, Kernel, can_be_together
from edgeseg.calibration.rounding.pairs import Pairs
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.image import Float32
from edgeseg.runtime.engines.ort_session import open_session


@dataclass(frozen=True)
class Rounded:
    """Weights that need no more rounding.

    Attributes:
        layer: name of the one node that reads them.
        values: as they were shaped, multiples of the scales.
        scales: (outputs,).
        shift: by how much they move the mean of each output (outputs,).
    """

    layer: str
    values: Float32
    scales: Float32
    shift: Float64


def round_onnx(
    model: Any, scales: Mapping[str, Float32], layers: Collection[str], images: CalibrationSet, pairs: Pairs | None
) -> dict[str, Rounded]:
    """Round the weights of convolutions.

    Args:
        model: a deployed float graph. Not changed.
        scales: of the codes (outputs,), by the name of the weights.
        layers: names of the nodes that may be rounded. Those whose weights another node reads are passed over.
        images: what shows the layers' inputs.
        pairs: a bound for neighbours, which depthwise weights do not have.

    Returns:
        By the name of the weights.
    """
    kernels = dict(_kernels(model, {*scales}, layers))
    _look(model, list(kernels.values()), images)
    found = {}
    for name, kernel in kernels.items():
        values = kernel.round(scales[name], pairs)
        found[name] = Rounded(kernel.layer, values, scales[name], kernel.shift(values))
    return found


def _kernels(model: Any, wanted: set[str], layers: Collection[str]) -> Iterator[tuple[str, Kernel]]:
    """Convolutions over images whose weights are of ``wanted`` and nobody else's, by the name of the weights."""
    to_array = require("onnx.numpy_helper", "export").to_array
    constants = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in wanted}
    reads = Counter(name for node in model.graph.node for name in node.input)
    for node in model.graph.node:
        if node.op_type == "Conv" and node.name in layers and node.input[1] in constants and reads[node.input[1]] == 1:
            weights = to_array(constants[node.input[1]])
            if weights.ndim == IMAGE_RANK and can_be_together(weights):
                yield node.input[1], Kernel(node.name, node.input[0], weights, geometry_of(node))


def _look(model: Any, kernels: Sequence[Kernel], images: CalibrationSet) -> None:
    """Show images, and let each kernel see what it reads."""
    names = sorted({kernel.reads for kernel in kernels})
    if not names:
        return
    random = np.random.default_rng(0)
    for tensors in _activations(model, names, images):
        for kernel in kernels:
            kernel.see(tensors[kernel.reads], random)


def _activations(model: Any, names: list[str], images: CalibrationSet) -> Iterator[dict[str, Float32]]:
    onnx = require("onnx", "export")
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {output.name for output in watched.graph.output}
    make = onnx.helper.make_tensor_value_info
    watched.graph.output.extend(make(name, onnx.TensorProto.FLOAT, None) for name in names if name not in present)
    with quiet():
        session = open_session(watched.SerializeToString(), spins=False)
    for path in choose_shown(images.images, SHOWN_IMAGES):
        yield dict(zip(names, session.run(names, {"image": images.tensor(path)}), strict=True))


def geometry_of(node: Any) -> Geometry:
    """Read how a Conv of ONNX moves."""
    kind = attribute(node, "auto_pad", b"NOTSET")
    given = attribute(node, "pads", [0, 0, 0, 0]) if kind == b"NOTSET" else [0, 0, 0, 0]
    strides, dilations = (attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
    return Geometry(
        int(attribute(node, "group", 1)),
        (strides[0], strides[1]),
        (dilations[0], dilations[1]),
        (given[0], given[1], given[2], given[3]) if kind in (b"NOTSET", b"VALID") else None,
        kind == b"SAME_LOWER",
    )


def replace_weights(
    model: Any, rounded: Mapping[str, Rounded], layers: Collection[str]
) -> tuple[Any, dict[str, Float32]]:
    """Put rounded weights into a copy of ``model``, for ``layers`` alone; their biases make up for the shift.

    Returns:
        The copy, and the scales of what was replaced by the name of the weights.
    """
    onnx = require("onnx", "export")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    used = {name: one for name, one in rounded.items() if one.layer in layers}
    shifts = _shifts(model, {one.layer: one.shift for one in used.values()})
    for tensor in copy.graph.initializer:
        if tensor.name in used:
            tensor.CopyFrom(onnx.numpy_helper.from_array(used[tensor.name].values, tensor.name))
        elif tensor.name in shifts:
            values = onnx.numpy_helper.to_array(tensor)
            changed = (values - shifts[tensor.name]).astype(values.dtype)
            tensor.CopyFrom(onnx.numpy_helper.from_array(changed, tensor.name))
    return copy, {name: one.scales for name, one in used.items()}


def _shifts(model: Any, by_layer: Mapping[str, Float64]) -> dict[str, Float64]:
    """By the name of the bias, where a layer has one that is nobody else's."""
    reads = Counter(name for node in model.graph.node for name in node.input)
    return {
        node.input[2]: by_layer[node.name]
        for node in model.graph.node
        if node.name in by_layer and len(node.input) > 2 and reads[node.input[2]] == 1
    }
