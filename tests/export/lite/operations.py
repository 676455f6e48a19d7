"""One small graph an operation, with its options where they differ; what LiteRT gives for each is recorded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from lite_writer import LiteWriter

Array = np.ndarray
SAME, VALID = 0, 1
RELU, RELU_N1_TO_1, RELU6, TANH = 1, 2, 3, 4
H, W, C = 6, 7, 3
GRAPHS: dict[str, Callable[[LiteWriter], int]] = {}


def draw(name: str, *shape: int) -> Array:
    """Numbers that a name stands for, the same everywhere."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)


def picture(name: str, lite: LiteWriter) -> Array:
    """What the graph takes, as the file has it."""
    entry = lite.tensors[lite.inputs[0]]
    values = draw(f"input of {name}", *entry.shape)
    if entry.dtype == "uint8":
        return np.clip(128 + 60 * values, 0, 255).astype(np.uint8)
    return values


def write(name: str) -> tuple[bytes, Array]:
    """The file of a graph, and its input."""
    lite = LiteWriter()
    data = lite.write(GRAPHS[name](lite), *lite.also)
    return data, picture(name, lite)


def graph(name: str) -> Callable[[Callable[[LiteWriter], int]], Callable[[LiteWriter], int]]:
    def keep(function: Callable[[LiteWriter], int]) -> Callable[[LiteWriter], int]:
        GRAPHS[name] = function
        return function

    return keep


def _one(name: str, kind: str, shape: Any = None, given: Any = (1, H, W, C), more: Any = (), **options: Any) -> None:
    """A graph of one operation on the image, with constants behind it."""

    def make(lite: LiteWriter) -> int:
        image = lite.image(*given)
        constants = [lite.constant(one) for one in more]
        return lite.add(kind, [image, *constants], shape or given, **options)

    GRAPHS[name] = make


def _ints(*values: int) -> Array:
    return np.array(values, np.int32)


def _convolution(name: str, given: Any, kernel: Any, out: Any, kind: str = "CONV_2D", **options: Any) -> None:
    channels = kernel[3] if kind == "DEPTHWISE_CONV_2D" else kernel[0]
    weights = [draw(f"kernel of {name}", *kernel), draw(f"bias of {name}", channels)]
    _one(name, kind, out, given, weights, **{"StrideH": 1, "StrideW": 1, "Padding": SAME, **options})


_convolution("conv same", (1, H, W, C), (4, 3, 3, C), (1, H, W, 4))
_convolution("conv same, every second", (1, H, W, C), (4, 3, 3, C), (1, 3, 4, 4), StrideH=2, StrideW=2)
_convolution("conv valid", (1, H, W, C), (4, 3, 2, C), (1, 4, 6, 4), Padding=VALID)
_convolution("conv dilated", (1, 9, 9, C), (4, 3, 3, C), (1, 9, 9, 4), DilationHFactor=2, DilationWFactor=3)
_convolution("conv relu6", (1, H, W, C), (4, 1, 1, C), (1, H, W, 4), FusedActivationFunction=RELU6)
_convolution("conv -1..1", (1, H, W, C), (4, 1, 1, C), (1, H, W, 4), FusedActivationFunction=RELU_N1_TO_1)
_DEPTHWISE = {"kind": "DEPTHWISE_CONV_2D", "DepthMultiplier": 1}
_convolution("depthwise", (1, H, W, C), (1, 3, 3, C), (1, H, W, C), **_DEPTHWISE)
_convolution("depthwise, every second", (1, 8, 8, C), (1, 5, 5, C), (1, 4, 4, C), StrideH=2, StrideW=2, **_DEPTHWISE)
_convolution(
    "depthwise, twice the channels",
    (1, H, W, C),
    (1, 3, 3, 6),
    (1, H, W, 6),
    kind="DEPTHWISE_CONV_2D",
    DepthMultiplier=2,
    FusedActivationFunction=RELU,
)


def _transposed(name: str, kernel: tuple[int, ...], stride: int, padding: int, out: tuple[int, ...]) -> None:
    def make(lite: LiteWriter) -> int:
        image = lite.image(1, H, W, C)
        shape, weights = lite.ints(*out), lite.constant(draw(f"kernel of {name}", *kernel))
        options = {"StrideH": stride, "StrideW": stride, "Padding": padding}
        return lite.add("TRANSPOSE_CONV", [shape, weights, image], out, **options)

    GRAPHS[name] = make


_transposed("transposed conv 2", (2, 2, 2, C), 2, SAME, (1, 12, 14, 2))
_transposed("transposed conv 3", (2, 3, 3, C), 2, SAME, (1, 12, 14, 2))
_transposed("transposed conv 3, odd", (2, 3, 3, C), 2, SAME, (1, 11, 13, 2))
_transposed("transposed conv 4", (2, 4, 4, C), 2, SAME, (1, 12, 14, 2))
_transposed("transposed conv valid", (2, 3, 3, C), 2, VALID, (1, 13, 15, 2))


def _with_bias(name: str, kernel: int, padding: int, out: tuple[int, ...]) -> None:
    def make(lite: LiteWriter) -> int:
        image, channels = lite.image(1, H, W, C), out[3]
        weights = [draw(f"kernel of {name}", channels, kernel, kernel, C), draw(f"bias of {name}", channels)]
        constants = [lite.constant(one) for one in weights]
        custom = struct.pack("<3i", padding, 2, 2)
        return lite.add("Convolution2DTransposeBias", [image, *constants], out, custom=custom)

    GRAPHS[name] = make


_with_bias("transposed conv with bias 2", 2, 1, (1, 12, 14, 1))
_with_bias("transposed conv with bias 4", 4, 1, (1, 10 + 4 - 2 - 0, 12 + 4 - 3 + 1, 2))
_one("dense", "FULLY_CONNECTED", (1, 4), (1, 5), [draw("dense", 4, 5), draw("dense bias", 4)])
_one("dense over pixels", "FULLY_CONNECTED", (1, H, W, 4), more=[draw("dense", 4, C)], KeepNumDims=True)
_one("dense of a picture", "FULLY_CONNECTED", (1, 4), more=[draw("dense", 4, H * W * C)])
for _kind in ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM"):
    _one(f"{_kind.lower()} a channel", _kind, more=[draw(_kind, C)])
_one("add 1x1", "ADD", more=[draw("add", 1, 1, 1, C)], FusedActivationFunction=RELU)
_one("mul a picture", "MUL", more=[draw("mul", H, W, C)])
_one("add a number", "ADD", more=[np.float32(0.5)])
_one("pow", "POW", more=[np.float32(2)])
_one("squared difference", "SQUARED_DIFFERENCE", more=[draw("difference", C)])
for _kind in ("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "ELU", "EXP", "ABS", "NEG", "SQUARE"):
    _one(_kind.lower().replace("_", " "), _kind)
for _kind in ("FLOOR", "CEIL", "SIN", "COS"):
    _one(_kind.lower(), _kind)
_one("leaky relu", "LEAKY_RELU", Alpha=0.2)
_one("gelu", "GELU", Approximate=False)
_one("gelu by tanh", "GELU", Approximate=True)
_one("prelu", "PRELU", more=[draw("slopes", 1, 1, C)])
_one("prelu a pixel", "PRELU", more=[draw("slopes", H, W, C)])
_one("softmax", "SOFTMAX", Beta=1.0)
_one("softmax of a list", "SOFTMAX", given=(1, 5), Beta=2.0)
_one("log softmax", "LOG_SOFTMAX")
_one("l2 normalisation", "L2_NORMALIZATION")
_POOL = {"FilterHeight": 3, "FilterWidth": 3, "StrideH": 2, "StrideW": 2}
for _name, _kind in (("average", "AVERAGE_POOL_2D"), ("max", "MAX_POOL_2D")):
    _one(f"{_name} pool same", _kind, (1, 3, 4, C), Padding=SAME, **_POOL)
    _one(f"{_name} pool valid", _kind, (1, 2, 3, C), Padding=VALID, **_POOL)
_one("mean over pixels", "MEAN", (1, 1, 1, C), more=[_ints(1, 2)], KeepDims=True)
_one("mean to a list", "MEAN", (1, C), more=[_ints(1, 2)])
_one("mean over rows", "MEAN", (1, W, C), more=[_ints(1)])
_one("sum over channels", "SUM", (1, H, W, 1), more=[_ints(-1)], KeepDims=True)
_one("largest of channels", "REDUCE_MAX", (1, H, W), more=[_ints(3)])
for _name, _options in {
    "": {},
    ", corners": {"AlignCorners": True},
    ", half pixels": {"HalfPixelCenters": True},
}.items():
    for _how, _kind in (("bilinear", "RESIZE_BILINEAR"), ("nearest", "RESIZE_NEAREST_NEIGHBOR")):
        _one(f"{_how} up{_name}", _kind, (1, 13, 14, C), more=[_ints(13, 14)], **_options)
        _one(f"{_how} down{_name}", _kind, (1, 4, 3, C), more=[_ints(4, 3)], **_options)
_one("reshape to a list", "RESHAPE", (1, H * W, C), more=[_ints(1, H * W, C)])
_one("reshape across channels", "RESHAPE", (1, H, C, W), more=[_ints(1, H, C, W)])
_one("squeeze", "SQUEEZE", (H, W), (1, H, W, 1))
_one("expand", "EXPAND_DIMS", (1, H, W, 1), (1, H, W), [_ints(3)])
_one("pad", "PAD", (1, H + 3, W + 1, C), more=[np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)])
_one("pad channels", "PAD", (1, H, W, C + 3), more=[np.array([[0, 0], [0, 0], [0, 0], [1, 2]], np.int32)])
_one(
    "pad by a number",
    "PADV2",
    (1, H + 2, W, C),
    more=[np.array([[0, 0], [1, 1], [0, 0], [0, 0]], np.int32), np.float32(3)],
)
_one("mirror", "MIRROR_PAD", (1, H + 3, W + 4, C), more=[np.array([[0, 0], [1, 2], [2, 2], [0, 0]], np.int32)], Mode=0)
_one(
    "mirror the edge",
    "MIRROR_PAD",
    (1, H + 2, W + 1, C),
    more=[np.array([[0, 0], [1, 1], [0, 1], [0, 0]], np.int32)],
    Mode=1,
)
_one(
    "part",
    "STRIDED_SLICE",
    (1, 2, W - 1, C),
    more=[_ints(0, 1, 1, 0), _ints(1, 5, 0, C), _ints(1, 2, 1, 1)],
    BeginMask=1,
    EndMask=4,
)
_one(
    "one channel",
    "STRIDED_SLICE",
    (1, H, W),
    more=[_ints(0, 0, 0, 1), _ints(0, 0, 0, 2), _ints(1, 1, 1, 1)],
    BeginMask=7,
    EndMask=7,
    ShrinkAxisMask=8,
)
_one(
    "backwards",
    "STRIDED_SLICE",
    more=[_ints(0, 0, 0, -1), _ints(0, 0, 0, 0), _ints(1, 1, 1, -1)],
    BeginMask=7,
    EndMask=15,
)
_one("slice", "SLICE", (1, 2, W, 2), more=[_ints(0, 1, 0, 1), _ints(1, 2, -1, 2)])
_one("transpose to channels first", "TRANSPOSE", (1, C, H, W), more=[_ints(0, 3, 1, 2)])
_one("transpose pixels", "TRANSPOSE", (1, W, H, C), more=[_ints(0, 2, 1, 3)])
_one("transpose a list", "TRANSPOSE", (5, 1, 4), (1, 4, 5), [_ints(2, 0, 1)])
_one("depth to space", "DEPTH_TO_SPACE", (1, 2 * H, 2 * W, 2), (1, H, W, 8), BlockSize=2)
_one("space to depth", "SPACE_TO_DEPTH", (1, 3, 4, 12), (1, 6, 8, 3), BlockSize=2)
_one("gather channels", "GATHER", (1, H, W, 2), more=[_ints(2, 0)], Axis=3)
_one("tile", "TILE", (1, 2 * H, W, 3 * C), more=[_ints(1, 2, 1, 3)])
_one("broadcast", "BROADCAST_TO", (1, H, W, C), (1, 1, 1, C), [_ints(1, H, W, C)])
_one("best", "ARG_MAX", (1, H, W), more=[_ints(3)], OutputType=2, dtype="int32")
_one("best row", "ARG_MAX", (1, W, C), more=[_ints(1)], OutputType=4, dtype="int64")


def _after(name: str, *kinds: str, **options: Any) -> None:
    """Operations on the image one after the other."""

    def make(lite: LiteWriter) -> int:
        at = lite.image(1, H, W, C)
        for kind in kinds:
            at = lite.add(kind, [at], (1, H, W, C), **options)
        return at

    GRAPHS[name] = make


_after("sqrt", "ABS", "SQRT")
_after("one over sqrt", "EXP", "RSQRT")
_after("log", "EXP", "LOG")
_after("round", "ROUND")
_after("sign", "SIGN")
_after("relu 0..1", "RELU_0_TO_1")
_one("smallest of channels", "REDUCE_MIN", (1, H, W), more=[_ints(3)])
_one("worst", "ARG_MIN", (1, H, W), more=[_ints(3)], OutputType=2, dtype="int32")
_one("floor div", "FLOOR_DIV", more=[np.float32(0.3)])


def _compared(name: str, *kinds: str) -> None:
    """Comparisons joined by logic, as numbers."""

    def make(lite: LiteWriter) -> int:
        image, limit = lite.image(1, H, W, C), lite.constant(np.float32(0.2))
        compared = [lite.add(kind, [image, limit], (1, H, W, C), dtype="bool") for kind in kinds[:2]]
        joined = lite.add(kinds[2], compared, (1, H, W, C), dtype="bool")
        return lite.add("CAST", [lite.add("LOGICAL_NOT", [joined], (1, H, W, C), dtype="bool")], (1, H, W, C))

    GRAPHS[name] = make


_compared("less or equal", "LESS", "EQUAL", "LOGICAL_OR")
_compared("not more and not other", "LESS_EQUAL", "NOT_EQUAL", "LOGICAL_AND")


@graph("as much or more")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    over = lite.add("GREATER_EQUAL", [image, lite.constant(np.float32(0.1))], (1, H, W, C), dtype="bool")
    return lite.add("SELECT", [over, image, lite.add("ABS", [image], (1, H, W, C))], (1, H, W, C))


@graph("sum of three")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    parts = [image, lite.add("ABS", [image], (1, H, W, C)), lite.add("RELU", [image], (1, H, W, C))]
    return lite.add("ADD_N", parts, (1, H, W, C))


@graph("concatenate channels")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    return lite.add("CONCATENATION", [image, lite.add("RELU", [image], (1, H, W, C))], (1, H, W, 2 * C), Axis=3)


@graph("concatenate rows")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    return lite.add("CONCATENATION", [image, image], (1, 2 * H, W, C), Axis=1)


@graph("split and pack")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, 4)
    halves = lite.add_many("SPLIT", [lite.ints(3), image], [lite.tensor((1, H, W, 2)) for _ in range(2)], NumSplits=2)
    return lite.add("ADD", [halves[0], lite.add("NEG", [halves[1]], (1, H, W, 2))], (1, H, W, 2))


@graph("split unevenly")
def _(lite: LiteWriter) -> int:
    image, sizes, axis = lite.image(1, H, W, 4), lite.ints(1, 3), lite.ints(-1)
    outputs = [lite.tensor((1, H, W, 1)), lite.tensor((1, H, W, 3))]
    return lite.add("MUL", lite.add_many("SPLIT_V", [image, sizes, axis], outputs, NumSplits=2), (1, H, W, 3))


@graph("unpack and pack")
def _(lite: LiteWriter) -> int:
    planes = [lite.tensor((1, H, W)) for _ in range(C)]
    lite.add_many("UNPACK", [lite.image(1, H, W, C)], planes, Num=C, Axis=3)
    return lite.add("PACK", planes[::-1], (1, C, H, W), ValuesCount=C, Axis=1)


@graph("product of matrices")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, 2, 4, 5)
    return lite.add("BATCH_MATMUL", [image, image], (1, 2, 4, 4), AdjY=True)


@graph("a list times a picture")
def _(lite: LiteWriter) -> int:
    """As in squeeze and excitation."""
    image = lite.image(1, H, W, C)
    weighed = lite.add("LOGISTIC", [lite.add("MEAN", [image, lite.ints(1, 2)], (1, C))], (1, C))
    return lite.add("MUL", [image, lite.add("RESHAPE", [weighed, lite.ints(1, 1, 1, C)], (1, 1, 1, C))], (1, H, W, C))


@graph("a list broadcast to a picture")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    return lite.add("MUL", [image, lite.add("MEAN", [image, lite.ints(1, 2)], (1, C))], (1, H, W, C))


@graph("chosen by a threshold")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    over = lite.add("GREATER", [image, lite.constant(np.float32(0.1))], (1, H, W, C), dtype="bool")
    return lite.add("SELECT_V2", [over, image, lite.add("NEG", [image], (1, H, W, C))], (1, H, W, C))


@graph("a size computed from the picture")
def _(lite: LiteWriter) -> int:
    """As TensorFlow writes it where the batch is open: SHAPE, STRIDED_SLICE, MUL, PACK."""
    image = lite.image(1, H, W, C)
    shape = lite.add("SHAPE", [image], (4,), OutType=2, dtype="int32")
    part = [lite.ints(0), lite.ints(1), lite.ints(1)]
    batch = lite.add("STRIDED_SLICE", [shape, *part], (), dtype="int32", ShrinkAxisMask=1)
    twice = lite.add("MUL", [batch, lite.constant(np.int32(1))], (), dtype="int32")
    sizes = [twice, lite.constant(np.int32(H * W)), lite.constant(np.int32(C))]
    packed = lite.add("PACK", sizes, (3,), ValuesCount=3, dtype="int32")
    return lite.add("RESHAPE", [image, packed], (1, H * W, C))


@graph("weights in float16")
def _(lite: LiteWriter) -> int:
    image, half = lite.image(1, H, W, C), lite.constant(draw("half", 4, 3, 3, C).astype(np.float16))
    kernel = lite.add("DEQUANTIZE", [half], (4, 3, 3, C))
    bias = lite.constant(draw("half bias", 4))
    return lite.add("CONV_2D", [image, kernel, bias], (1, H, W, 4), StrideH=1, StrideW=1, Padding=SAME)


@graph("weights in int8")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    small = lite.constant(np.clip(40 * draw("small", 4, 3, 3, C), -127, 127).astype(np.int8), scale=(0.02, 0))
    kernel, bias = lite.add("DEQUANTIZE", [small], (4, 3, 3, C)), lite.constant(draw("small bias", 4))
    return lite.add("CONV_2D", [image, kernel, bias], (1, H, W, 4), StrideH=1, StrideW=1, Padding=SAME)


@graph("pixels in, grey values out")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C, dtype="uint8", scale=(0.0078125, 128))
    planes = lite.add("DEQUANTIZE", [image], (1, H, W, C))
    chance = lite.add("LOGISTIC", [planes], (1, H, W, C))
    return lite.add("QUANTIZE", [chance], (1, H, W, C), dtype="uint8", scale=(1 / 255, 0))


@graph("channels first on the way")
def _(lite: LiteWriter) -> int:
    """As converters from PyTorch write it: a transpose at each end."""
    image = lite.image(1, C, H, W)
    last = lite.add("TRANSPOSE", [image, lite.ints(0, 2, 3, 1)], (1, H, W, C))
    weights = [lite.constant(draw("torch", 4, 3, 3, C)), lite.constant(draw("torch bias", 4))]
    done = lite.add("CONV_2D", [last, *weights], (1, H, W, 4), StrideH=1, StrideW=1, Padding=SAME)
    return lite.add("TRANSPOSE", [done, lite.ints(0, 3, 1, 2)], (1, 4, H, W))


@graph("two results")
def _(lite: LiteWriter) -> int:
    image = lite.image(1, H, W, C)
    masks = lite.add("LOGISTIC", [image], (1, H, W, C), name="masks")
    lite.also = [lite.add("RELU", [image], (1, H, W, C), name="edges")]
    return masks


def as_the_graph(picture: Array, model: Any) -> Array:
    """A picture of the file as the converted graph takes it."""
    dims = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    is_moved = picture.ndim == 4 and dims != list(picture.shape)
    return np.ascontiguousarray(picture.transpose(0, 3, 1, 2) if is_moved else picture)


def as_the_file(result: Array, model: Any, wanted: Array) -> Array:
    """A result of the converted graph as the file has it."""
    return result.transpose(0, 2, 3, 1) if result.ndim == 4 and result.shape != wanted.shape else result
