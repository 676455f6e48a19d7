"""Convolutions of every kind, and layers of plain products."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from edgeseg.export.tflite.builder import Builder, Convert, NotTaken
from edgeseg.export.tflite.elementwise import finish
from edgeseg.export.tflite.lite_file import Array, Operator

SAME, VALID = 0, 1
"""Of the schema; the C structure that MediaPipe writes into options of its own has 1 for SAME and 2 for VALID."""
_OUT_IN = (0, 3, 1, 2)


def same_pads(sides: Sequence[int], kernel: Sequence[int], strides: Sequence[int], padding: int) -> list[int]:
    """Compute what TensorFlow pads, in ONNX's order: the odd pixel goes to the end.

    >>> same_pads((256, 256), (3, 3), (2, 2), SAME), same_pads((5, 6), (3, 3), (1, 1), VALID)
    ([0, 0, 1, 1], [0, 0, 0, 0])
    """
    if padding not in (SAME, VALID):
        raise NotTaken(f"with padding {padding}")
    totals = [
        max((math.ceil(side / step) - 1) * step + width - side, 0) if padding == SAME else 0
        for side, width, step in zip(sides, kernel, strides, strict=True)
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def _convolution(build: Builder, operator: Operator) -> None:
    given, kernel = operator.inputs[0], _weights(build, operator.inputs[1])
    channels = build.shape(given)[3]
    if channels % kernel.shape[3]:
        raise ValueError(f"a kernel of {list(kernel.shape)} over {channels} channels")
    _convolve(build, operator, kernel.transpose(_OUT_IN), channels // kernel.shape[3])


def _depthwise(build: Builder, operator: Operator) -> None:
    kernel = _weights(build, operator.inputs[1])
    _convolve(build, operator, kernel.transpose(3, 0, 1, 2), build.shape(operator.inputs[0])[3])


def _convolve(build: Builder, operator: Operator, kernel: Array, groups: int) -> None:
    options, sides = operator.options, build.shape(operator.inputs[0])[1:3]
    strides = [options["StrideH"], options["StrideW"]]
    dilations = [options.get("DilationHFactor", 1), options.get("DilationWFactor", 1)]
    reach = [(width - 1) * step + 1 for width, step in zip(kernel.shape[2:], dilations, strict=True)]
    name = build.add(
        "Conv",
        [build.first(operator.inputs[0]), build.weight(kernel, "kernel"), *_bias(build, operator.inputs, 2)],
        kernel_shape=list(kernel.shape[2:]),
        strides=strides,
        dilations=dilations,
        pads=same_pads(sides, reach, strides, options["Padding"]),
        group=groups,
    )
    finish(build, operator, name)


def _transposed(build: Builder, operator: Operator) -> None:
    """TRANSPOSE_CONV: (output shape, kernel, input, bias)."""
    options = operator.options
    _, sides = _sides(build, operator.inputs[2]), build.whole(operator.inputs[0], "sizes")[1:3]
    kernel, strides = _weights(build, operator.inputs[1]), [options["StrideH"], options["StrideW"]]
    pads = same_pads(sides, kernel.shape[1:3], strides, options["Padding"])
    _transpose(build, operator, operator.inputs[2], kernel, strides, pads, _bias(build, operator.inputs, 3))


def _transposed_with_bias(build: Builder, operator: Operator) -> None:
    """Convolution2DTransposeBias of MediaPipe: (input, kernel, bias), its options a C structure."""
    padding, step_x, step_y = struct.unpack_from("<3i", operator.custom)
    kernel, strides, sides = _weights(build, operator.inputs[1]), [step_y, step_x], _sides(build, operator.inputs[0])
    totals = [
        max(0, width - (side - 1) % step - 1) if padding == 1 else 0
        for side, width, step in zip(sides, kernel.shape[1:3], strides, strict=True)
    ]
    pads = [total // 2 for total in totals] + [total - total // 2 for total in totals]
    _transpose(build, operator, operator.inputs[0], kernel, strides, pads, _bias(build, operator.inputs, 2))


def _transpose(
    build: Builder,
    operator: Operator,
    given: int,
    kernel: Array,
    strides: Sequence[int],
    pads: Sequence[int],
    bias: Sequence[str],
) -> None:
    wanted, sides = build.shape(operator.outputs[0])[1:3], _sides(build, given)
    whole = [step * (side - 1) + width for step, side, width in zip(strides, sides, kernel.shape[1:3], strict=True)]
    more = [wanted[i] - whole[i] + pads[i] + pads[i + 2] for i in range(2)]
    ends = [end - max(0, -one) for end, one in zip(pads[2:], more, strict=True)]
    if any(one < 0 for one in (*more, *ends)) or any(one >= step for one, step in zip(more, strides, strict=True)):
        raise NotTaken(f"that makes {list(wanted)} of {list(sides)} by {list(kernel.shape[1:3])} every {list(strides)}")
    name = build.add(
        "ConvTranspose",
        [build.first(given), build.weight(kernel.transpose(3, 0, 1, 2), "kernel"), *bias],
        kernel_shape=list(kernel.shape[1:3]),
        strides=list(strides),
        pads=list(pads),
        output_padding=more,
    )
    finish(build, operator, name)


def _fully_connected(build: Builder, operator: Operator) -> None:
    """A product with every position's channels; over a picture a convolution of 1x1."""
    given, result = operator.inputs[0], operator.outputs[0]
    if operator.options.get("WeightsFormat", 0):
        raise NotTaken("with shuffled weights")
    kernel = build.constant(operator.inputs[1], "weights")
    if kernel.ndim != 2:
        raise ValueError(f"weights of {list(kernel.shape)}")
    if build.rank(given) == 4 and build.shape(result)[:3] == build.shape(given)[:3]:
        weights = build.weight(kernel[:, :, None, None], "kernel")
        name = build.add("Conv", [build.first(given), weights, *_bias(build, operator.inputs, 2)], kernel_shape=[1, 1])
        finish(build, operator, name)
        return
    if build.rank(result) == 4:
        raise NotTaken(f"from {list(build.shape(given))} to {list(build.shape(result))}")
    name = build.own(given)
    if build.rank(given) != build.rank(result) or build.shape(given)[-1] != kernel.shape[1]:
        name = build.reshape(name, [*build.shape(result)[:-1], kernel.shape[1]])
    name = build.add("MatMul", [name, build.weight(kernel.T, "weights")])
    if bias := _bias(build, operator.inputs, 2):
        name = build.add("Add", [name, *bias])
    finish(build, operator, name)


def _product(build: Builder, operator: Operator) -> None:
    names = []
    for number, flag in zip(operator.inputs, ("AdjX", "AdjY"), strict=True):
        name, rank = build.own(number), build.rank(number)
        if operator.options.get(flag):
            name = build.add("Transpose", [name], perm=[*range(rank - 2), rank - 1, rank - 2])
        names.append(name)
    build.put(operator.outputs[0], build.add("MatMul", names), "as the file has it")


def _weights(build: Builder, number: int) -> Array:
    kernel = build.constant(number, "weights")
    if kernel.ndim != 4 or not kernel.size or kernel.dtype.kind != "f":
        raise ValueError(f"weights of {kernel.dtype} {list(kernel.shape)}")
    return kernel


def _bias(build: Builder, inputs: Sequence[int], at: int) -> list[str]:
    if len(inputs) <= at or inputs[at] < 0:
        return []
    return [build.weight(build.constant(inputs[at], "biases").astype(np.float32), "bias")]


def _sides(build: Builder, number: int) -> tuple[int, ...]:
    return build.shape(number)[1:3]


OPERATIONS: dict[str, Convert] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "Convolution2DTransposeBias": _transposed_with_bias,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _product,
}
