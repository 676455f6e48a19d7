"""Scales of weights for ONNX Runtime on CPUs: as fine as no 16-bit sum overflows.

Without VNNI the x86 kernels multiply unsigned codes of activations with signed ones of weights, and add two products
in 16 bits, cut to what they hold: ``vpmaddubsw``. The two are neighbours in the order (row, column, input channel), in
which MLAS packs the weights of a convolution. So what has to fit is each pair, 255 times the sum of its codes of one
sign, and not every code alone: a large weight beside a small one may have eight bits. Weights of seven bits, 64 and 64,
are the worst case of it.

Depthwise kernels extend each code to 16 bits first and add in 32, on every processor: eight bits. NEON kernels add two
products in 16 bits as well, but of codes from -128 to 127, where 127 twice still fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError
from edgeseg.image import Float32

EIGHT_BITS, SEVEN_BITS = 127, 64
MOST_OF_A_PAIR = 128
"""Sum of the codes of one sign in a pair: 255 * 128 fits 16 bits, 255 * 129 does not."""


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
            found = _scales(to_array(constants[name]), _groups(node))
            scales[name] = np.maximum(scales.get(name, found), found)
    return scales


def scales_of_eight_bits(model: Any) -> dict[str, Float32]:
    """Return the scales (outputs,) of weights of convolutions that :mod:`onnxruntime.quantization` gives eight bits."""
    to_array = require("onnx.numpy_helper", "export").to_array
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    names = {node.input[1] for node in model.graph.node if node.op_type == "Conv"} & set(constants)
    return {name: _of_channels(to_array(constants[name]), EIGHT_BITS) for name in sorted(names)}


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
    if _is_depthwise(codes, _groups(node)):
        return largest <= EIGHT_BITS
    return max(int(sums.max(initial=0)) for sums in _sums_of_pairs(codes.astype(np.int64))) <= MOST_OF_A_PAIR


def _scales(weights: Float32, groups: int) -> Float32:
    """The least scale of each output with which no pair of codes overflows once it is rounded, at most that of 7 bits.

    Sums of two rounded numbers exceed those of the numbers by one at most, so pairs are to give 127 before.
    """
    values = weights.astype(np.float64)
    largest = np.abs(values).reshape(len(values), -1).max(1)
    scales = largest / EIGHT_BITS
    if not _is_depthwise(weights, groups):
        pairs = np.maximum(*(sums.max(1) for sums in _sums_of_pairs(values)))
        scales = np.minimum(np.maximum(scales, pairs / (MOST_OF_A_PAIR - 1)), largest / SEVEN_BITS)
    return _usable(scales)


def _of_channels(weights: Float32, largest_code: int) -> Float32:
    return _usable(np.abs(weights.astype(np.float64)).reshape(len(weights), -1).max(1) / largest_code)


def _usable(scales: npt.NDArray[np.float64]) -> Float32:
    """Give weights that are all zero a scale of 1, as :mod:`onnxruntime.quantization` does."""
    found: Float32 = scales.astype(np.float32)
    return np.where(found < np.finfo(np.float32).tiny, np.float32(1), found)


def _sums_of_pairs(weights: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Of each output (outputs, pairs): what the positive weights of a pair come to, and what the negative ones do."""
    packed = np.moveaxis(weights, 1, -1).reshape(len(weights), -1)
    pairs = np.pad(packed, ((0, 0), (0, packed.shape[1] % 2))).reshape(len(weights), -1, 2)
    for signed in (pairs, -pairs):
        yield np.maximum(signed, 0).sum(2)


def _is_depthwise(weights: npt.NDArray[Any], groups: int) -> bool:
    """As MLAS decides it: one input and one output a group, and more than one group."""
    return groups > 1 and weights.shape[1] == 1 and len(weights) == groups


def _groups(node: Any) -> int:
    return next((int(one.i) for one in node.attribute if one.name == "group"), 1)
