"""Scales of weights for ONNX Runtime on CPUs: as fine as no 16-bit sum overflows.

What has to fit is each pair of weights, see :mod:`~edgeseg.calibration.rounding.pairs`: neighbours in the order (row,
column, input channel), in which MLAS packs the weights of a convolution. NEON kernels add two products in 16 bits as
well, but of codes from -128 to 127, where 127 twice still fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.calibration.rounding.pairs import EIGHT_BITS, SEVEN_BITS, Pairs, is_depthwise, scales_that_fit
from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError
from edgeseg.image import Float32

PAIRS = Pairs()


def choose_scales(model: Any) -> dict[str, Float32]:
    """Choose scales for the weights of convolutions.

    Args:
        model: a float graph.

    Returns:
        Scales (outputs,) by the name of the weights. Weights that anything but convolutions reads are left out.
    """
    scales: dict[str, Float32] = {}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    others = {name for node in model.graph.node if node.op_type != "Conv" for name in node.input}
    to_array = require("onnx.numpy_helper", "export").to_array
    for node in model.graph.node:
        name = node.input[1] if node.op_type == "Conv" else ""
        if name in constants and name not in others:
            weights = to_array(constants[name])
            found = scales_that_fit(weights, None if is_depthwise(weights.shape, _groups(node)) else PAIRS)
            scales[name] = np.maximum(scales.get(name, found), found)
    return scales


def scales_of_eight_bits(model: Any) -> dict[str, Float32]:
    """Return the scales (outputs,) of weights of convolutions that :mod:`onnxruntime.quantization` gives eight bits."""
    to_array = require("onnx.numpy_helper", "export").to_array
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    names = {node.input[1] for node in model.graph.node if node.op_type == "Conv"} & set(constants)
    return {name: scales_that_fit(to_array(constants[name]), None) for name in sorted(names)}


def expect_no_overflow(model: Any) -> None:
    """Raise ArtifactError when weights of a Q/DQ graph could overflow 16-bit sums on CPUs without VNNI."""
    to_array = require("onnx.numpy_helper", "export").to_array
    readers = _readers(model)
    for tensor in model.graph.initializer:
        codes = to_array(tensor)
        if codes.dtype == np.int8 and codes.ndim > 1:
            read_by = readers.get(tensor.name) or [None]
            if not all(_fits(codes, node) for node in read_by):
                raise ArtifactError(
                    f"Pairs of the weights {tensor.name} use eight bits, which overflow in ONNX Runtime on CPUs "
                    "without VNNI. Please report this network."
                )


def _readers(model: Any) -> Mapping[str, list[Any]]:
    """Nodes that multiply with a tensor of codes, behind DequantizeLinear, by its name."""
    read_by: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            read_by.setdefault(name, []).append(node)
    return {
        node.input[0]: read_by.get(node.output[0], [])
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
    }


def _fits(codes: npt.NDArray[np.int8], node: Any) -> bool:
    """Whether no sum of two products overflows; of what is no convolution the order is not known here."""
    largest = int(np.abs(codes.astype(np.int64)).max(initial=0))
    if node is None or node.op_type != "Conv":
        return largest <= SEVEN_BITS
    if is_depthwise(codes.shape, _groups(node)):
        return largest <= EIGHT_BITS
    return PAIRS.fit(codes)


def _groups(node: Any) -> int:
    return next((int(one.i) for one in node.attribute if one.name == "group"), 1)
