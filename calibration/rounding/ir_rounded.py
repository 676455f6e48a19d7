"""Weights of a quantised OpenVINO model in place of those that NNCF rounded.

NNCF gives the first layer seven bits and the others eight, each weight its nearest code. Seven are too few for a
layer that reads pixels: on a dark street that a network had never seen, most of what INT8 lost was lost there. And
eight are too many for processors without VNNI, whose sums of two products overflow in OpenVINO without a word. So each
pair has what fits, see :mod:`~edgeseg.calibration.rounding.pairs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.factors import choose_shown
from edgeseg.calibration.equalisation.ir_steps import CONVOLUTIONS, IMAGE_RANK, name_output
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.rounding.kernel import SHOWN_IMAGES, Geometry, Kernel, can_be_together
from edgeseg.calibration.rounding.pairs import Pairs, is_depthwise, scales_that_fit
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.graphs.ir_file import constant_of
from edgeseg.image import Float32
from edgeseg.runtime.engines.openvino_core import shared_core

PAIRS = Pairs(apart=True)
WEIGHTED = (*CONVOLUTIONS, "MatMul")


@dataclass(frozen=True)
class Codes:
    """Of the weights of one layer.

    Attributes:
        values: whole numbers, shaped as the weights are.
        scales: (outputs,).
        together: whether they were rounded together, and not each to the nearest.
    """

    values: Float32
    scales: Float32
    together: bool


@dataclass(frozen=True)
class Weights:
    """Of one layer, as its kernel adds them up.

    Attributes:
        rows: (outputs, inputs of one group, places).
        groups: of channels.
        kind: name of the operation.
        turned: whether a MatMul has its outputs first.
    """

    rows: Float32
    groups: int
    kind: str
    turned: bool = False

    @classmethod
    def read(cls, node: Any, values: Float32) -> Weights | None:
        """Bring the constant ``values`` of a layer to rows; None for a product of more than matrices."""
        kind = node.get_type_name()
        if kind == "MatMul":
            if values.ndim != 2:
                return None
            turned = bool(node.get_attributes()["transpose_b"])
            return cls((values if turned else values.T)[:, :, np.newaxis], 1, kind, turned)
        grouped = values if kind.startswith("Group") else values[np.newaxis]
        if kind.endswith("BackpropData"):
            grouped = grouped.swapaxes(1, 2)
        groups, outputs, inputs = grouped.shape[:3]
        return cls(np.ascontiguousarray(grouped).reshape(groups * outputs, inputs, -1), groups, kind)

    def write(self, rows: Float32, shape: tuple[int, ...]) -> Float32:
        """Bring rows back to the constant's ``shape``."""
        if self.kind == "MatMul":
            return rows[:, :, 0] if self.turned else rows[:, :, 0].T
        back = self.kind.endswith("BackpropData")
        lead = shape if self.kind.startswith("Group") else (1, *shape)
        order = (lead[0], lead[2], lead[1], *lead[3:]) if back else lead
        grouped = rows.reshape(order)
        return (grouped.swapaxes(1, 2) if back else grouped).reshape(shape)

    @property
    def pairs(self) -> Pairs | None:
        """What its codes have to keep."""
        return None if is_depthwise(self.rows.shape, self.groups) else PAIRS


def round_ir(model: Any, images: CalibrationSet | None) -> dict[str, Codes]:
    """Round the weights of an ``openvino.Model`` in float.

    Args:
        model: the deployed graph. Not changed.
        images: what shows the inputs of convolutions, to round their weights together; None for the nearest codes.

    Returns:
        By the friendly name of each layer whose weights are constants.
    """
    layers = {node.get_friendly_name(): node for node in model.get_ordered_ops() if node.get_type_name() in WEIGHTED}
    kernels = dict(_kernels(layers)) if images else {}
    if images:
        _look(model, list(kernels.values()), images)
    found = {}
    for name, node in layers.items():
        values = _constant(node)
        weights = None if values is None else Weights.read(node, values)
        if values is None or weights is None:
            continue
        scales = scales_that_fit(weights.rows, weights.pairs)
        along = scales.reshape(-1, 1, 1)
        if name in kernels:
            rows = kernels[name].round(scales, weights.pairs).reshape(weights.rows.shape)
        else:
            rows = weights.rows
        found[name] = Codes(weights.write(np.rint(rows / along), values.shape), scales, name in kernels)
    return found


def _constant(node: Any) -> Float32 | None:
    values = constant_of(node.input_value(1))
    return None if values is None else values.astype(np.float32)


def _kernels(layers: Mapping[str, Any]) -> Iterator[tuple[str, Kernel]]:
    """Convolutions over images by their names."""
    for name, node in layers.items():
        values = _constant(node)
        if node.get_type_name() not in ("Convolution", "GroupConvolution") or values is None:
            continue
        weights = values.reshape(-1, *values.shape[-3:])
        if node.input_value(0).get_partial_shape().rank.get_length() == IMAGE_RANK and can_be_together(weights):
            groups = values.shape[0] if values.ndim > IMAGE_RANK else 1
            yield name, Kernel(name, name_output(node.input_value(0)), weights, _geometry(node, groups))


def _geometry(node: Any, groups: int) -> Geometry:
    how = node.get_attributes()
    kind = how.get("auto_pad", "explicit")
    given = {"explicit": (*how["pads_begin"], *how["pads_end"]), "valid": (0, 0, 0, 0)}.get(kind)
    return Geometry(groups, tuple(how["strides"]), tuple(how["dilations"]), given, kind == "same_lower")


def _look(model: Any, kernels: Sequence[Kernel], images: CalibrationSet) -> None:
    """Show images, and let each kernel see what it reads."""
    openvino = require("openvino", "export")
    names = sorted({kernel.reads for kernel in kernels})
    random = np.random.default_rng(0)
    with quiet():
        copy = model.clone()
        nodes = [node for node in copy.get_ordered_ops() if node.get_type_name() != "Result"]
        outputs = {name_output(output): output for node in nodes for output in node.outputs()}
        watched = openvino.Model([outputs[name] for name in names], copy.get_parameters())
        compiled = shared_core("export").compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        request = compiled.create_infer_request()
    for path in choose_shown(images.images, SHOWN_IMAGES) if names else ():
        request.infer({"image": images.tensor(path)})
        seen = {name: request.get_output_tensor(at).data for at, name in enumerate(names)}
        for kernel in kernels:
            kernel.see(seen[kernel.reads], random)


def write_codes(quantised: Any, rounded: Mapping[str, Codes]) -> int:
    """Put codes into what NNCF made of the model, for the layers that it quantised.

    Args:
        quantised: changed in place.
        rounded: of :func:`round_ir`.

    Returns:
        How many of the layers have weights that were rounded together.
    """
    changed = 0
    for node in quantised.get_ordered_ops():
        found = rounded.get(node.get_friendly_name())
        if found is not None and is_coded(node):
            _write(node, found)
            changed += found.together
    return changed


def is_coded(node: Any) -> bool:
    """Tell whether a layer reads a constant of signed bytes times scales."""
    product = node.input_value(1).get_node()
    if product.get_type_name() != "Multiply":
        return False
    convert = product.input_value(0).get_node()
    if convert.get_type_name() != "Convert":
        return False
    codes = convert.input_value(0).get_node()
    i8 = require("openvino", "export").Type.i8
    return bool(codes.get_type_name() == "Constant" and codes.get_element_type() == i8)


def _write(node: Any, codes: Codes) -> None:
    openvino = require("openvino", "export")
    product = node.input_value(1).get_node()
    operations = openvino.opset13
    shape = _along_outputs(node, codes.values.ndim)
    constant = operations.constant(np.ascontiguousarray(codes.values, np.int8))
    constant.set_friendly_name(product.input_value(0).get_node().input_value(0).get_node().get_friendly_name())
    convert = operations.convert(constant, np.float32)
    made = operations.multiply(convert, operations.constant(codes.scales.reshape(shape)))
    made.set_friendly_name(product.get_friendly_name())
    node.input(1).replace_source_output(made.output(0))


def _along_outputs(node: Any, rank: int) -> tuple[int, ...]:
    """The shape of one scale an output."""
    kind = node.get_type_name()
    if kind == "MatMul":
        return (-1, 1) if node.get_attributes()["transpose_b"] else (1, -1)
    ones = (1,) * (rank - 2)
    if not kind.startswith("Group"):
        return (1, -1, *ones) if kind.endswith("BackpropData") else (-1, 1, *ones)
    groups, outputs = node.input_value(1).get_shape()[0], -1
    ones = ones[:-1]
    return (groups, 1, outputs, *ones) if kind.endswith("BackpropData") else (groups, outputs, 1, *ones)
