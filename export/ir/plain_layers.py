"""Layers that compute a value at a time, or over one axis."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from onnx import TensorProto

from edgeseg.export.ir.ir_nodes import Convert, IrBuilder, Layer, NotTaken, type_of

SAME = {
    **{
        name: name
        for name in ("Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Abs", "Floor", "Sign", "Erf", "Sin", "Cos")
    },
    "Negative": "Neg",
    "Ceiling": "Ceil",
    "HSwish": "HardSwish",
    "SoftPlus": "Softplus",
    "LogicalNot": "Not",
    "SoftSign": "Softsign",
}
BINARY = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "Power": "Pow",
    "Maximum": "Max",
    "Minimum": "Min",
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
    "LogicalXor": "Xor",
    "FloorMod": "Mod",
}


def _plain(kind: str, build: IrBuilder, layer: Layer) -> str:
    return build.add(kind, layer.inputs)


def _bitwise(kind: str, build: IrBuilder, layer: Layer) -> str:
    """As PyTorch's ``&``, ``|``, ``^`` and ``~`` become, of truths."""
    if type_of(layer.node.input_value(0)) != TensorProto.BOOL:
        raise NotTaken("of whole numbers")
    return build.add(kind, layer.inputs)


def _not_equal(build: IrBuilder, layer: Layer) -> str:
    return build.add("Not", [build.add("Equal", layer.inputs)])


def _squared_difference(build: IrBuilder, layer: Layer) -> str:
    difference = build.add("Sub", layer.inputs)
    return build.add("Mul", [difference, difference])


def _convert(build: IrBuilder, layer: Layer) -> str:
    return build.add("Cast", layer.inputs[:1], to=type_of(layer.node.output(0)))


def _clamp(build: IrBuilder, layer: Layer) -> str:
    low, high = (build.number(layer.attributes[name], layer, name) for name in ("min", "max"))
    return build.add("Clip", [layer.inputs[0], low, high])


def _elu(build: IrBuilder, layer: Layer) -> str:
    return build.add("Elu", layer.inputs, alpha=float(layer.attributes["alpha"]))


def _prelu(build: IrBuilder, layer: Layer) -> str:
    """Slopes of one axis are those of the channels."""
    slopes = layer.constant(1, "slopes")
    if slopes.ndim == 1 and slopes.size > 1 and layer.rank() > 2:
        slopes = slopes.reshape(-1, *[1] * (layer.rank() - 2))
    return build.add("PRelu", [layer.inputs[0], build.weight(slopes, "slopes")])


def _hard_sigmoid(build: IrBuilder, layer: Layer) -> str:
    alpha, beta = (float(layer.constant(at, "factors").ravel()[0]) for at in (1, 2))
    return build.add("HardSigmoid", layer.inputs[:1], alpha=alpha, beta=beta)


def _hsigmoid(build: IrBuilder, layer: Layer) -> str:
    return build.add("HardSigmoid", layer.inputs, alpha=1 / 6, beta=0.5)


def _swish(build: IrBuilder, layer: Layer) -> str:
    scaled = build.add("Mul", layer.inputs) if layer.has(1) else layer.inputs[0]
    return build.add("Mul", [layer.inputs[0], build.add("Sigmoid", [scaled])])


def _mish(build: IrBuilder, layer: Layer) -> str:
    return build.add("Mul", [layer.inputs[0], build.add("Tanh", [build.add("Softplus", layer.inputs)])])


def _gelu(build: IrBuilder, layer: Layer) -> str:
    """By its definition: opset 17 has no Gelu."""
    name = layer.inputs[0]
    half, one = build.number(0.5, layer, "half"), build.number(1, layer, "one")
    if str(layer.attributes.get("approximation_mode", "ERF")).upper().endswith("TANH"):
        cube = build.add("Mul", [build.add("Mul", [name, name]), name])
        inner = build.add("Add", [name, build.add("Mul", [cube, build.number(0.044715, layer, "cubic")])])
        bent = build.add("Tanh", [build.add("Mul", [inner, build.number(math.sqrt(2 / math.pi), layer, "scale")])])
    else:
        bent = build.add("Erf", [build.add("Mul", [name, build.number(math.sqrt(0.5), layer, "scale")])])
    return build.add("Mul", [name, build.add("Mul", [build.add("Add", [bent, one]), half])])


def _round(build: IrBuilder, layer: Layer) -> str:
    if layer.attributes.get("mode", "half_to_even") != "half_to_even":
        raise NotTaken("that rounds halves away from 0")
    return build.add("Round", layer.inputs)


def _softmax(kind: str, build: IrBuilder, layer: Layer) -> str:
    return build.add(kind, layer.inputs, axis=int(layer.attributes.get("axis", 1)))


def _reduce(kind: str, build: IrBuilder, layer: Layer) -> str:
    rank = layer.rank()
    axes, keeps = sorted(axis % rank for axis in layer.whole(1, "axes")), int(layer.attributes.get("keep_dims", False))
    if kind == "ReduceSum":
        return build.add(kind, [layer.inputs[0], build.ints(axes, "axes")], keepdims=keeps)
    return build.add(kind, layer.inputs[:1], axes=axes, keepdims=keeps)


def _best(build: IrBuilder, layer: Layer) -> list[str]:
    """TopK of one, as ArgMax of ONNX and of torch becomes: the largest and where it is."""
    kind = {"max": "ArgMax", "min": "ArgMin"}.get(str(layer.attributes["mode"]).lower().rpartition(".")[2])
    if layer.whole(1, "counts") != [1] or kind is None:
        raise NotTaken("of more than the first")
    axis = int(layer.attributes["axis"])
    reduce = "ReduceMax" if kind == "ArgMax" else "ReduceMin"
    where = build.add(kind, layer.inputs[:1], axis=axis, keepdims=1)
    if (to := type_of(layer.node.output(1))) != TensorProto.INT64:
        where = build.add("Cast", [where], to=to)
    return [build.add(reduce, layer.inputs[:1], axes=[axis], keepdims=1), where]


def _batch_norm(build: IrBuilder, layer: Layer) -> str:
    """Two versions, with the picture third or first."""
    names = layer.inputs
    if layer.node.get_type_info().version_id == "opset1":
        gamma, beta, given, mean, variance = names
    else:
        given, gamma, beta, mean, variance = names
    epsilon = float(layer.attributes["epsilon"])
    return build.add("BatchNormalization", [given, gamma, beta, mean, variance], epsilon=epsilon)


def _mvn(build: IrBuilder, layer: Layer) -> str:
    """Mean and variance brought to 0 and 1 over some axes, as in layer and instance normalisation."""
    axes = [axis % layer.rank() for axis in layer.whole(1, "axes")]
    centred = build.add("Sub", [layer.inputs[0], build.add("ReduceMean", layer.inputs[:1], axes=axes)])
    if not layer.attributes.get("normalize_variance", True):
        return centred
    variance = build.add("ReduceMean", [build.add("Mul", [centred, centred])], axes=axes)
    epsilon = build.number(float(layer.attributes["eps"]), layer, "epsilon")
    if str(layer.attributes.get("eps_mode", "inside_sqrt")).lower().endswith("inside_sqrt"):
        return build.add("Div", [centred, build.add("Sqrt", [build.add("Add", [variance, epsilon])])])
    return build.add("Div", [centred, build.add("Add", [build.add("Sqrt", [variance]), epsilon])])


def _group_norm(build: IrBuilder, layer: Layer) -> str:
    """Instance normalisation of groups, and a scale and a shift a channel."""
    shape, groups = layer.shape(0), int(layer.attributes["num_groups"])
    name = build.add("Reshape", [layer.inputs[0], build.ints([shape[0], groups, -1], "groups")])
    ones, zeros = build.weight(np.ones(groups, np.float32), "ones"), build.weight(np.zeros(groups, np.float32), "zeros")
    epsilon = float(layer.attributes["epsilon"])
    name = build.add("InstanceNormalization", [name, ones, zeros], epsilon=epsilon)
    name = build.add("Reshape", [name, build.ints(shape, "shape")])
    sides = [-1, *[1] * (len(shape) - 2)]
    scale, shift = (build.add("Reshape", [one, build.ints(sides, "sides")]) for one in layer.inputs[1:3])
    return build.add("Add", [build.add("Mul", [name, scale]), shift])


def _attention(build: IrBuilder, layer: Layer) -> str:
    """Scaled products of queries and keys weigh the values, by the operation's definition."""
    if layer.attributes.get("causal"):
        raise NotTaken("that hides what comes later")
    rank, names = layer.rank(1), layer.inputs
    keys = build.add("Transpose", [names[1]], perm=[*range(rank - 2), rank - 1, rank - 2])
    scale = names[4] if layer.has(4) else build.number(layer.shape(0)[-1] ** -0.5, layer, "scale")
    scores = build.add("MatMul", [build.add("Mul", [names[0], scale]), keys])
    if layer.has(3) and layer.constant(3, "masks").any():
        if layer.constant(3, "masks").dtype == bool:
            raise NotTaken("with a mask of true and false")
        scores = build.add("Add", [scores, names[3]])
    return build.add("MatMul", [build.add("Softmax", [scores], axis=-1), names[2]])


def _normalise_l2(build: IrBuilder, layer: Layer) -> str:
    axes = build.ints([axis % layer.rank() for axis in layer.whole(1, "axes")], "axes")
    total = build.add("ReduceSum", [build.add("Mul", [layer.inputs[0]] * 2), axes], keepdims=1)
    is_max = str(layer.attributes.get("eps_mode", "add")).lower().endswith("max")
    least = build.number(float(layer.attributes["eps"]), layer, "epsilon")
    return build.add(
        "Div", [layer.inputs[0], build.add("Sqrt", [build.add("Max" if is_max else "Add", [total, least])])]
    )


LAYERS: dict[str, Convert] = {
    **{name: partial(_plain, kind) for name, kind in {**SAME, **BINARY}.items()},
    "BitwiseAnd": partial(_bitwise, "And"),
    "BitwiseOr": partial(_bitwise, "Or"),
    "BitwiseXor": partial(_bitwise, "Xor"),
    "BitwiseNot": partial(_bitwise, "Not"),
    "NotEqual": _not_equal,
    "SquaredDifference": _squared_difference,
    "Convert": _convert,
    "ConvertLike": _convert,
    "Clamp": _clamp,
    "Elu": _elu,
    "PRelu": _prelu,
    "HardSigmoid": _hard_sigmoid,
    "HSigmoid": _hsigmoid,
    "Swish": _swish,
    "Mish": _mish,
    "Gelu": _gelu,
    "Round": _round,
    "Select": partial(_plain, "Where"),
    "Softmax": partial(_softmax, "Softmax"),
    "LogSoftmax": partial(_softmax, "LogSoftmax"),
    **{name: partial(_reduce, name) for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd")},
    **{name: partial(_reduce, name) for name in ("ReduceL1", "ReduceL2")},
    "TopK": _best,
    "BatchNormInference": _batch_norm,
    "MVN": _mvn,
    "GroupNormalization": _group_norm,
    "NormalizeL2": _normalise_l2,
    "ScaledDotProductAttention": _attention,
}
