"""Operations over the neighbours of a pixel, over all pixels, or over the classes."""

from __future__ import annotations

from functools import partial

import numpy as np
from onnx import TensorProto

from edgeseg.export.tflite.builder import OWN, TO_FIRST, TO_LAST, Builder, Convert, NotTaken, first_axis
from edgeseg.export.tflite.convolutions import same_pads
from edgeseg.export.tflite.elementwise import finish
from edgeseg.export.tflite.lite_file import Operator

_REDUCES = {"MEAN": "ReduceMean", "SUM": "ReduceSum", "REDUCE_MAX": "ReduceMax", "REDUCE_MIN": "ReduceMin"}


def _pool(kind: str, build: Builder, operator: Operator) -> None:
    options = operator.options
    kernel, strides = [options["FilterHeight"], options["FilterWidth"]], [options["StrideH"], options["StrideW"]]
    pads = same_pads(build.shape(operator.inputs[0])[1:3], kernel, strides, options["Padding"])
    more = {"count_include_pad": 0} if kind == "AveragePool" else {}
    given = build.first(operator.inputs[0])
    finish(build, operator, build.add(kind, [given], kernel_shape=kernel, strides=strides, pads=pads, **more))


def _resize(mode: str, build: Builder, operator: Operator) -> None:
    """TensorFlow's three ways to lay the pixels of two sizes over each other; nearest rounds differently in each."""
    aligned, half = operator.options.get("AlignCorners", False), operator.options.get("HalfPixelCenters", False)
    if aligned and half:
        raise NotTaken("with corners and pixel centres aligned both")
    ways = {"mode": mode, "coordinate_transformation_mode": "asymmetric"}
    if aligned:
        ways["coordinate_transformation_mode"] = "align_corners"
    elif half:
        ways["coordinate_transformation_mode"] = "half_pixel"
    if mode == "nearest":
        ways["nearest_mode"] = "round_prefer_ceil" if aligned or half else "floor"
    batch, _, _, channels = build.shape(operator.inputs[0])
    sizes = np.array([batch, channels, *build.whole(operator.inputs[1], "sizes")], np.int64)
    name = build.add("Resize", [build.first(operator.inputs[0]), "", "", build.weight(sizes, "sizes")], **ways)
    build.put(operator.outputs[0], name)


def _reduce(kind: str, build: Builder, operator: Operator) -> None:
    given, result = operator.inputs[0], operator.outputs[0]
    rank = build.rank(given)
    axes = sorted({first_axis(axis, rank) for axis in build.whole(operator.inputs[1], "axes")})
    more = {} if kind == "ReduceSum" else {"axes": axes}
    inputs = [build.first(given), *([build.weight(np.array(axes, np.int64), "axes")] if not more else [])]
    name = build.add(kind, inputs, keepdims=1, **more)
    if operator.options.get("KeepDims"):
        build.put(result, name)
        return
    if rank == 4:
        shape = [1 if axis in axes else build.shape(given)[TO_FIRST[axis]] for axis in range(4)]
        name = build.move(name, shape, TO_LAST)
    build.put(result, build.reshape(name, build.shape(result)), OWN)


def _best(kind: str, build: Builder, operator: Operator) -> None:
    given, result = operator.inputs[0], operator.outputs[0]
    axis = build.whole(operator.inputs[1], "axes")[0]
    rank = build.rank(given)
    if rank == 4 and axis % 4 == 3:
        name = build.add(kind, [build.first(given)], axis=1, keepdims=0)
    else:
        name = build.add(kind, [build.own(given)], axis=axis % rank, keepdims=0)
    if build.file.tensors[result].dtype == np.int32:
        name = build.add("Cast", [name], to=TensorProto.INT32)
    build.put(result, name, OWN)


def _softmax(kind: str, build: Builder, operator: Operator) -> None:
    given, rank = operator.inputs[0], build.rank(operator.inputs[0])
    name, beta = build.first(given), float(operator.options.get("Beta", 1.0) or 1.0)
    if kind == "Softmax" and beta != 1:
        name = build.add("Mul", [name, build.weight(np.float32(beta), "beta")])
    build.put(operator.outputs[0], build.add(kind, [name], axis=first_axis(-1, rank)))


def _l2_normalisation(build: Builder, operator: Operator) -> None:
    name = build.first(operator.inputs[0])
    axes = build.weight(np.array([first_axis(-1, build.rank(operator.inputs[0]))], np.int64), "axes")
    total = build.add("ReduceSum", [build.add("Mul", [name, name]), axes], keepdims=1)
    least = build.weight(np.float32(1e-6), "least")
    length = build.add("Sqrt", [build.add("Max", [total, least])])
    finish(build, operator, build.add("Div", [name, length]))


OPERATIONS: dict[str, Convert] = {
    "AVERAGE_POOL_2D": partial(_pool, "AveragePool"),
    "MAX_POOL_2D": partial(_pool, "MaxPool"),
    "RESIZE_BILINEAR": partial(_resize, "linear"),
    "RESIZE_NEAREST_NEIGHBOR": partial(_resize, "nearest"),
    **{name: partial(_reduce, kind) for name, kind in _REDUCES.items()},
    "ARG_MAX": partial(_best, "ArgMax"),
    "ARG_MIN": partial(_best, "ArgMin"),
    "SOFTMAX": partial(_softmax, "Softmax"),
    "LOG_SOFTMAX": partial(_softmax, "LogSoftmax"),
    "L2_NORMALIZATION": _l2_normalisation,
}
