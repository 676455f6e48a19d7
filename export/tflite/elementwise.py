"""Operations a value at a time, and the activation that TFLite writes into other operations."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from edgeseg.export.tflite.builder import Builder, Convert, NotTaken
from edgeseg.export.tflite.lite_file import Operator

_FUSED = {0: "none", 1: "Relu", 2: "Clip -1 1", 3: "Clip 0 6", 4: "Tanh"}
"""ActivationFunctionType of the schema."""
SIMPLE = {
    "RELU": "Relu",
    "LOGISTIC": "Sigmoid",
    "TANH": "Tanh",
    "HARD_SWISH": "HardSwish",
    "EXP": "Exp",
    "LOG": "Log",
    "SQRT": "Sqrt",
    "ABS": "Abs",
    "NEG": "Neg",
    "FLOOR": "Floor",
    "CEIL": "Ceil",
    "ROUND": "Round",
    "SIN": "Sin",
    "COS": "Cos",
    "SIGN": "Sign",
    "LOGICAL_NOT": "Not",
    "ELU": "Elu",
}
BINARY = {
    "ADD": "Add",
    "SUB": "Sub",
    "MUL": "Mul",
    "DIV": "Div",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "POW": "Pow",
    "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterOrEqual",
    "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
    "EQUAL": "Equal",
    "LOGICAL_AND": "And",
    "LOGICAL_OR": "Or",
}


def finish(build: Builder, operator: Operator, name: str) -> None:
    """Put a result behind the activation that is written into its operation, channels first."""
    fused = operator.options.get("FusedActivationFunction", 0)
    if fused not in _FUSED:
        raise NotTaken(f"with activation {fused} inside")
    kind, *limits = _FUSED[fused].split()
    if limits:
        name = clip(build, name, *map(float, limits))
    elif kind != "none":
        name = build.add(kind, [name])
    build.put(operator.outputs[0], name)


def clip(build: Builder, name: str, low: float, high: float) -> str:
    """Append a Clip."""
    return build.add("Clip", [name, build.weight(np.float32(low), "low"), build.weight(np.float32(high), "high")])


def _simple(kind: str, build: Builder, operator: Operator) -> None:
    build.put(operator.outputs[0], build.add(kind, [build.first(operator.inputs[0])]))


def _binary(kind: str, build: Builder, operator: Operator) -> None:
    finish(build, operator, build.add(kind, _operands(build, operator)))


def _operands(build: Builder, operator: Operator) -> list[str]:
    rank = build.rank(operator.outputs[0])
    return [build.operand(number, rank) for number in operator.inputs]


def _clip(low: float, high: float, build: Builder, operator: Operator) -> None:
    build.put(operator.outputs[0], clip(build, build.first(operator.inputs[0]), low, high))


def _add_all(build: Builder, operator: Operator) -> None:
    build.put(operator.outputs[0], build.add("Sum", _operands(build, operator)))


def _not_equal(build: Builder, operator: Operator) -> None:
    build.put(operator.outputs[0], build.add("Not", [build.add("Equal", _operands(build, operator))]))


def _squared_difference(build: Builder, operator: Operator) -> None:
    difference = build.add("Sub", _operands(build, operator))
    build.put(operator.outputs[0], build.add("Mul", [difference, difference]))


def _floor_div(build: Builder, operator: Operator) -> None:
    build.put(operator.outputs[0], build.add("Floor", [build.add("Div", _operands(build, operator))]))


def _square(build: Builder, operator: Operator) -> None:
    name = build.first(operator.inputs[0])
    build.put(operator.outputs[0], build.add("Mul", [name, name]))


def _rsqrt(build: Builder, operator: Operator) -> None:
    root = build.add("Sqrt", [build.first(operator.inputs[0])])
    build.put(operator.outputs[0], build.add("Reciprocal", [root]))


def _leaky(build: Builder, operator: Operator) -> None:
    alpha = float(operator.options.get("Alpha", 0.0))
    build.put(operator.outputs[0], build.add("LeakyRelu", [build.first(operator.inputs[0])], alpha=alpha))


def _prelu(build: Builder, operator: Operator) -> None:
    """Slopes of [1, 1, C] become [C, 1, 1], as torch writes them."""
    given, slopes = operator.inputs
    values = build.constant(slopes, "slopes")
    if build.rank(given) == 4:
        values = values.reshape((*(1,) * (3 - values.ndim), *values.shape)) if values.ndim < 3 else values
        values = values.reshape(values.shape[-3:]).transpose(2, 0, 1)
    build.put(operator.outputs[0], build.add("PRelu", [build.first(given), build.weight(values, "slopes")]))


def _gelu(build: Builder, operator: Operator) -> None:
    """By its definition: opset 17 has no Gelu."""
    name = build.first(operator.inputs[0])
    half, one = build.weight(np.float32(0.5), "half"), build.weight(np.float32(1), "one")
    if operator.options.get("Approximate"):
        scaled = build.add("Mul", [_cubic(build, name), build.weight(np.float32(math.sqrt(2 / math.pi)), "scale")])
        bent = build.add("Tanh", [scaled])
    else:
        bent = build.add("Erf", [build.add("Mul", [name, build.weight(np.float32(math.sqrt(0.5)), "scale")])])
    share = build.add("Mul", [build.add("Add", [bent, one]), half])
    build.put(operator.outputs[0], build.add("Mul", [name, share]))


def _cubic(build: Builder, name: str) -> str:
    square = build.add("Mul", [name, name])
    cube = build.add("Mul", [build.add("Mul", [square, name]), build.weight(np.float32(0.044715), "cubic")])
    return build.add("Add", [name, cube])


def _select(build: Builder, operator: Operator) -> None:
    build.put(operator.outputs[0], build.add("Where", _operands(build, operator)))


OPERATIONS: dict[str, Convert] = {
    **{name: partial(_simple, kind) for name, kind in SIMPLE.items()},
    **{name: partial(_binary, kind) for name, kind in BINARY.items()},
    "RELU6": partial(_clip, 0.0, 6.0),
    "RELU_N1_TO_1": partial(_clip, -1.0, 1.0),
    "RELU_0_TO_1": partial(_clip, 0.0, 1.0),
    "ADD_N": _add_all,
    "NOT_EQUAL": _not_equal,
    "SQUARED_DIFFERENCE": _squared_difference,
    "FLOOR_DIV": _floor_div,
    "SQUARE": _square,
    "RSQRT": _rsqrt,
    "LEAKY_RELU": _leaky,
    "PRELU": _prelu,
    "GELU": _gelu,
    "SELECT": _select,
    "SELECT_V2": _select,
}
