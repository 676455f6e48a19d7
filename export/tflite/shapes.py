"""Operations that move values and compute none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from edgeseg.export.tflite.builder import FIRST, OWN, TO_FIRST, TO_LAST, Builder, Convert, NotTaken, first_axis
from edgeseg.export.tflite.elementwise import finish
from edgeseg.export.tflite.lite_file import Operator


def _reshape(build: Builder, operator: Operator) -> None:
    """Also what adds or drops axes of one."""
    given, result = operator.inputs[0], operator.outputs[0]
    if np.prod(build.shape(given)) != np.prod(build.shape(result)):
        raise ValueError(f"{list(build.shape(given))} brought to {list(build.shape(result))}")
    name = build.own(given)
    if build.shape(given) != build.shape(result):
        name = build.reshape(name, build.shape(result))
    build.put(result, name, OWN)


def _transpose(build: Builder, operator: Operator) -> None:
    given, result = operator.inputs[0], operator.outputs[0]
    order, rank = build.whole(operator.inputs[1], "an order"), build.rank(given)
    if rank != 4:
        build.put(result, build.move(build.first(given), build.shape(given), order))
    elif tuple(order) == TO_FIRST and build.has(given, FIRST):
        build.put(result, build.first(given), OWN)
    elif tuple(order) == TO_LAST and build.has(given, OWN):
        build.put(result, build.own(given), FIRST)
    else:
        shape = [build.shape(given)[axis] for axis in TO_FIRST]
        moved = [TO_FIRST.index(order[axis]) for axis in TO_FIRST]
        build.put(result, build.move(build.first(given), shape, moved))


def _concatenate(build: Builder, operator: Operator) -> None:
    rank = build.rank(operator.outputs[0])
    names = [build.first(number) for number in operator.inputs]
    finish(build, operator, build.add("Concat", names, axis=first_axis(operator.options.get("Axis", 0), rank)))


def _pack(build: Builder, operator: Operator) -> None:
    result = operator.outputs[0]
    axis = operator.options.get("Axis", 0) % build.rank(result)
    shape = [1 if at == axis else side for at, side in enumerate(build.shape(result))]
    names = [build.reshape(build.own(number), shape) for number in operator.inputs]
    build.put(result, build.add("Concat", names, axis=axis), OWN)


def _unpack(build: Builder, operator: Operator) -> None:
    given = operator.inputs[0]
    axis = operator.options.get("Axis", 0) % build.rank(given)
    pieces = build.add_many("Split", [build.own(given)], len(operator.outputs), axis=axis)
    for number, piece in zip(operator.outputs, pieces, strict=True):
        build.put(number, build.reshape(piece, build.shape(number)), OWN)


def _split(at_axis: int, at_given: int, build: Builder, operator: Operator) -> None:
    given = operator.inputs[at_given]
    rank = build.rank(given)
    axis = build.whole(operator.inputs[at_axis], "axes")[0] % rank
    sizes = build.weight(np.array([build.shape(one)[axis] for one in operator.outputs], np.int64), "sizes")
    pieces = build.add_many("Split", [build.first(given), sizes], len(operator.outputs), axis=first_axis(axis, rank))
    for number, piece in zip(operator.outputs, pieces, strict=True):
        build.put(number, piece)


def _strided_slice(build: Builder, operator: Operator) -> None:
    given, options = operator.inputs[0], operator.options
    if options.get("EllipsisMask") or options.get("NewAxisMask"):
        raise NotTaken("with new axes or an ellipsis")
    shape = build.shape(given)
    begin, end, strides = (build.whole(number, "places") for number in operator.inputs[1:4])
    parts = read_slices(shape, begin, end, strides, options)
    kept = [len(range(*part.indices(side))) for part, side in zip(parts, shape, strict=True)]
    name = _slice_axes(build, given, parts)
    if not options.get("ShrinkAxisMask"):
        build.put(operator.outputs[0], name)
        return
    if len(shape) == 4:
        name = build.move(name, [kept[axis] for axis in TO_FIRST], TO_LAST)
    build.put(operator.outputs[0], build.reshape(name, build.shape(operator.outputs[0])), OWN)


def read_slices(
    shape: Sequence[int], begin: Sequence[int], end: Sequence[int], strides: Sequence[int], options: Mapping[str, Any]
) -> list[slice]:
    """Read what STRIDED_SLICE keeps of each axis, as Python's slices.

    >>> read_slices((1, 8, 8, 3), (0, 2, 0, -1), (0, 6, 8, 0), (1, 2, 1, 1), {"BeginMask": 1, "EndMask": 9})
    [slice(None, None, 1), slice(2, 6, 2), slice(0, 8, 1), slice(-1, None, 1)]
    """
    if not len(shape) == len(begin) == len(end) == len(strides):
        raise NotTaken(f"with {len(begin)} places for {len(shape)} axes")
    found = []
    for axis, (first, last, step) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << axis
        if options.get("ShrinkAxisMask", 0) & bit:
            found.append(slice(first, None if first == -1 else first + 1, 1))
            continue
        low = None if options.get("BeginMask", 0) & bit else first
        high = None if options.get("EndMask", 0) & bit else (last + first if options.get("Offset") else last)
        found.append(slice(low, high, step))
    return found


def _slice(build: Builder, operator: Operator) -> None:
    shape = build.shape(operator.inputs[0])
    begin, sizes = (build.whole(number, "places") for number in operator.inputs[1:3])
    ends = [side if size == -1 else low + size for side, low, size in zip(shape, begin, sizes, strict=True)]
    parts = [slice(low, high, 1) for low, high in zip(begin, ends, strict=True)]
    build.put(operator.outputs[0], _slice_axes(build, operator.inputs[0], parts))


def _slice_axes(build: Builder, given: int, parts: Sequence[slice]) -> str:
    """Cut what is not kept, channels first; nothing where all is kept."""
    shape, rank = build.shape(given), build.rank(given)
    cut: list[tuple[int, int, int, int]] = []
    for axis, (part, side) in enumerate(zip(parts, shape, strict=True)):
        low, high, step = part.indices(side)
        if (low, high, step) != (0, side, 1):
            cut.append((low, high if step > 0 or high >= 0 else -side - 1, first_axis(axis, rank), step))
    if not cut:
        return build.first(given)
    lists = zip(("starts", "ends", "axes", "steps"), zip(*cut, strict=True), strict=True)
    return build.add(
        "Slice", [build.first(given), *(build.weight(np.array(values, np.int64), what) for what, values in lists)]
    )


def _pad(build: Builder, operator: Operator) -> None:
    value = build.constant(operator.inputs[2], "values").ravel()[0] if len(operator.inputs) > 2 else np.float32(0)
    name = _padded(build, operator, "constant", [build.weight(np.float32(value), "value")])
    build.put(operator.outputs[0], name)


def _mirror(build: Builder, operator: Operator) -> None:
    """REFLECT leaves the edge out; SYMMETRIC repeats it, which ONNX can say for one pixel only."""
    is_symmetric = operator.options.get("Mode", 0) == 1
    if is_symmetric and build.constant(operator.inputs[1], "widths").max() > 1:
        raise NotTaken("that repeats more than the last pixel (SYMMETRIC)")
    build.put(operator.outputs[0], _padded(build, operator, "edge" if is_symmetric else "reflect", []))


def _padded(build: Builder, operator: Operator, mode: str, more: Sequence[str]) -> str:
    given, rank = operator.inputs[0], build.rank(operator.inputs[0])
    widths = build.constant(operator.inputs[1], "widths").reshape(rank, 2)
    ordered = widths[list(TO_FIRST)] if rank == 4 else widths
    pads = build.weight(np.array(ordered.T.ravel(), np.int64), "pads")
    return build.add("Pad", [build.first(given), pads, *more], mode=mode)


def _blocks(kind: str, build: Builder, operator: Operator) -> None:
    size = operator.options["BlockSize"]
    more = {"mode": "DCR"} if kind == "DepthToSpace" else {}
    build.put(operator.outputs[0], build.add(kind, [build.first(operator.inputs[0])], blocksize=size, **more))


def _gather(build: Builder, operator: Operator) -> None:
    given, places = operator.inputs[0], build.constant(operator.inputs[1], "places")
    axis = operator.options.get("Axis", 0) % build.rank(given)
    if operator.options.get("BatchDims", 0):
        raise NotTaken("with places of their own for each of a batch")
    if places.ndim == 1:
        name = build.add(
            "Gather", [build.first(given), build.weight(places, "places")], axis=first_axis(axis, build.rank(given))
        )
        build.put(operator.outputs[0], name)
    else:
        build.put(
            operator.outputs[0], build.add("Gather", [build.own(given), build.weight(places, "places")], axis=axis), OWN
        )


def _tile(build: Builder, operator: Operator) -> None:
    times = build.whole(operator.inputs[1], "counts")
    ordered = [times[axis] for axis in TO_FIRST] if len(times) == 4 else times
    name = build.add("Tile", [build.first(operator.inputs[0]), build.weight(np.array(ordered, np.int64), "times")])
    build.put(operator.outputs[0], name)


def _broadcast(build: Builder, operator: Operator) -> None:
    result = operator.outputs[0]
    shape, rank = build.shape(result), build.rank(result)
    ordered = [shape[axis] for axis in TO_FIRST] if rank == 4 else list(shape)
    sizes = build.weight(np.array(ordered, np.int64), "sizes")
    build.put(result, build.add("Expand", [build.operand(operator.inputs[0], rank), sizes]))


OPERATIONS: dict[str, Convert] = {
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "TRANSPOSE": _transpose,
    "CONCATENATION": _concatenate,
    "PACK": _pack,
    "UNPACK": _unpack,
    "SPLIT": partial(_split, 0, 1),
    "SPLIT_V": partial(_split, 2, 0),
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _mirror,
    "DEPTH_TO_SPACE": partial(_blocks, "DepthToSpace"),
    "SPACE_TO_DEPTH": partial(_blocks, "SpaceToDepth"),
    "GATHER": _gather,
    "TILE": _tile,
    "BROADCAST_TO": _broadcast,
}
