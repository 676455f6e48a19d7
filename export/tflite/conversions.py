"""Between types of numbers, and what can be computed before any picture is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from edgeseg.export.tflite.builder import Builder, Convert, NotTaken
from edgeseg.export.tflite.lite_file import Array, Operator, Scale
from edgeseg.export.tflite.shapes import read_slices

QUANTISED = (np.int8, np.uint8, np.int16)
MOST_FOLDED = 1 << 16
"""Values of a shape or of places; weights are not folded here."""
_NUMBERS = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "FLOOR_DIV": np.floor_divide,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
}


def fold_constant(build: Builder, operator: Operator) -> bool:
    """Compute an operation whose inputs are constants, such as weights in float16 or a shape; tell whether it was.

    Raises:
        ValueError: its result is not as declared.
    """
    if operator.kind == "SHAPE":
        sides = np.array(build.shape(operator.inputs[0]))
        build.fold(operator.outputs[0], sides.astype(_dtype(build, operator.outputs[0])))
        return True
    values = [None if number < 0 else build.value(number) for number in operator.inputs]
    given = [one for one in values if one is not None]
    if len(given) != len(values) or not given:
        return False
    result = _dequantise(build, operator, given[0]) if operator.kind == "DEQUANTIZE" else _compute(operator, given)
    if result is None:
        return False
    dtype, shape = _dtype(build, operator.outputs[0]), build.shape(operator.outputs[0])
    is_shaped = operator.kind in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
    build.fold(operator.outputs[0], np.asarray(result.reshape(shape) if is_shaped else result).astype(dtype))
    return True


def _compute(operator: Operator, given: list[Array]) -> Array | None:
    if operator.kind in _MOVES:
        return _MOVES[operator.kind](given)
    if sum(one.size for one in given) > MOST_FOLDED or operator.options.get("FusedActivationFunction"):
        return None
    if operator.kind in _NUMBERS:
        return np.asarray(_NUMBERS[operator.kind](*given))
    return _SIZES[operator.kind](operator, given) if operator.kind in _SIZES else None


def _pack(operator: Operator, given: list[Array]) -> Array:
    return np.stack(given, operator.options.get("Axis", 0))


def _concatenate(operator: Operator, given: list[Array]) -> Array:
    return np.concatenate(given, operator.options.get("Axis", 0))


def _gather(operator: Operator, given: list[Array]) -> Array | None:
    return None if operator.options.get("BatchDims") else np.take(given[0], given[1], operator.options.get("Axis", 0))


def _product(operator: Operator, given: list[Array]) -> Array:
    axes = tuple(int(axis) for axis in given[1].ravel())
    return np.asarray(given[0].prod(axes, keepdims=bool(operator.options.get("KeepDims"))))


def _fill(operator: Operator, given: list[Array]) -> Array | None:
    shape = [int(side) for side in given[0].ravel()]
    return np.full(shape, given[1]) if 0 <= math.prod(shape) <= MOST_FOLDED else None


def _slice(operator: Operator, given: list[Array]) -> Array | None:
    if operator.options.get("EllipsisMask") or operator.options.get("NewAxisMask"):
        return None
    begin, end, strides = ([int(value) for value in one.ravel()] for one in given[1:4])
    kept = given[0][tuple(read_slices(given[0].shape, begin, end, strides, operator.options))]
    dropped = tuple(axis for axis in range(kept.ndim) if operator.options.get("ShrinkAxisMask", 0) >> axis & 1)
    return np.asarray(kept.squeeze(dropped))


def _dequantise(build: Builder, operator: Operator, values: Array) -> Array:
    scale = build.file.tensors[operator.inputs[0]].scale
    if scale is None or values.dtype.kind == "f":
        return values
    return np.asarray(
        (values.astype(np.float32) - _along(scale.zero, scale, values)) * _along(scale.scale, scale, values)
    )


def _along(entries: Array, scale: Scale, values: Array) -> Array:
    if entries.size == 1:
        return np.asarray(entries.ravel()[0], np.float32)
    return entries.astype(np.float32).reshape([-1 if axis == scale.axis else 1 for axis in range(values.ndim)])


def _dequantize(build: Builder, operator: Operator) -> None:
    name, scale = (
        build.add("Cast", [build.first(operator.inputs[0])], to=TensorProto.FLOAT),
        _one_scale(build, operator.inputs[0]),
    )
    if scale is not None:
        if scale[1]:
            name = build.add("Sub", [name, build.weight(np.float32(scale[1]), "zero")])
        name = build.add("Mul", [name, build.weight(np.float32(scale[0]), "scale")])
    build.put(operator.outputs[0], name)


def _quantize(build: Builder, operator: Operator) -> None:
    """By plain arithmetic: this is how pixels come in and grey values go out, not a quantised network."""
    result = operator.outputs[0]
    scale, dtype = _one_scale(build, result), _dtype(build, result)
    if scale is None or build.file.tensors[operator.inputs[0]].dtype != np.float32:
        raise NotTaken("between two quantised types")
    name = build.add("Div", [build.first(operator.inputs[0]), build.weight(np.float32(scale[0]), "scale")])
    name = build.add("Round", [name])
    if scale[1]:
        name = build.add("Add", [name, build.weight(np.float32(scale[1]), "zero")])
    low, high = (build.weight(np.float32(limit), "limit") for limit in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    name = build.add("Clip", [name, low, high])
    build.put(result, build.add("Cast", [name], to=helper.np_dtype_to_tensor_dtype(dtype)))


def _one_scale(build: Builder, number: int) -> tuple[float, int] | None:
    scale = build.file.tensors[number].scale
    if scale is None:
        return None
    if scale.scale.size != 1:
        raise NotTaken("with a scale for each channel")
    return float(scale.scale.ravel()[0]), int(scale.zero.ravel()[0])


def _cast(build: Builder, operator: Operator) -> None:
    to = helper.np_dtype_to_tensor_dtype(_dtype(build, operator.outputs[0]))
    build.put(operator.outputs[0], build.add("Cast", [build.first(operator.inputs[0])], to=to))


def _dtype(build: Builder, number: int) -> np.dtype[Any]:
    dtype = build.file.tensors[number].dtype
    if dtype is None:
        raise NotTaken("of a type that is not read")
    return np.dtype(np.float32) if dtype == np.float16 else dtype


_MOVES: dict[str, Callable[[list[Array]], Array]] = {
    **{kind: lambda given: given[0] for kind in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST")},
    "TRANSPOSE": lambda given: given[0].transpose([int(axis) for axis in given[1].ravel()]),
}
_SIZES: dict[str, Callable[[Operator, list[Array]], Array | None]] = {
    "PACK": _pack,
    "CONCATENATION": _concatenate,
    "GATHER": _gather,
    "REDUCE_PROD": _product,
    "FILL": _fill,
    "STRIDED_SLICE": _slice,
}
OPERATIONS: dict[str, Convert] = {"DEQUANTIZE": _dequantize, "QUANTIZE": _quantize, "CAST": _cast}
ONLY_CONSTANT = frozenset({"SHAPE", "REDUCE_PROD", "FILL"})
"""Read where their inputs are constants, as where a size is computed from the picture's."""
