"""Layers that move values and compute none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeseg.export.ir.ir_nodes import Convert, IrBuilder, Layer, NotTaken


def _reshape(build: IrBuilder, layer: Layer) -> str:
    """Also what adds or drops axes of one: all sizes are known."""
    return build.add("Reshape", [layer.inputs[0], build.ints(layer.result, "shape")])


def _transpose(build: IrBuilder, layer: Layer) -> str:
    order = layer.whole(1, "an order") or list(range(layer.rank()))[::-1]
    return build.add("Transpose", layer.inputs[:1], perm=order)


def _concatenate(build: IrBuilder, layer: Layer) -> str:
    return build.add("Concat", layer.inputs, axis=int(layer.attributes["axis"]))


def _split(build: IrBuilder, layer: Layer) -> list[str]:
    axis = layer.whole(1, "axes")[0] % layer.rank()
    sizes = [one.get_shape()[axis] for one in layer.node.outputs()]
    return build.add_many("Split", [layer.inputs[0], build.ints(sizes, "sizes")], len(sizes), axis=axis)


def _slice(build: IrBuilder, layer: Layer) -> str:
    """Slice: (data, start, stop, step, axes)."""
    starts, stops, steps = (layer.whole(at, "places") for at in (1, 2, 3))
    axes = layer.whole(4, "axes") if layer.has(4) else list(range(len(starts)))
    lists = {"starts": starts, "ends": stops, "axes": axes, "steps": steps}
    return build.add("Slice", [layer.inputs[0], *(build.ints(values, what) for what, values in lists.items())])


def _strided_slice(build: IrBuilder, layer: Layer) -> str:
    masks = {name: list(layer.attributes.get(name) or []) for name in ("begin_mask", "end_mask", "shrink_axis_mask")}
    if any(layer.attributes.get("new_axis_mask") or []) or any(layer.attributes.get("ellipsis_mask") or []):
        raise NotTaken("with new axes or an ellipsis")
    begin, end = layer.whole(1, "places"), layer.whole(2, "places")
    steps = layer.whole(3, "steps") if layer.has(3) else [1] * len(begin)
    parts = []
    for axis, (first, last, step) in enumerate(zip(begin, end, steps, strict=True)):
        side = layer.shape(0)[axis]
        if _bit(masks["shrink_axis_mask"], axis):
            part = slice(first, None if first == -1 else first + 1, 1)
        else:
            part = slice(
                None if _bit(masks["begin_mask"], axis) else first,
                None if _bit(masks["end_mask"], axis) else last,
                step,
            )
        low, high, _ = part.indices(side)
        parts.append((low, high if step > 0 or high >= 0 else -side - 1, part.step))
    starts, ends, strides = (list(values) for values in zip(*parts, strict=True))
    lists = {"starts": starts, "ends": ends, "axes": list(range(len(starts))), "steps": strides}
    name = build.add("Slice", [layer.inputs[0], *(build.ints(values, what) for what, values in lists.items())])
    return build.add("Reshape", [name, build.ints(layer.result, "shape")]) if any(masks["shrink_axis_mask"]) else name


def _bit(mask: Sequence[int], axis: int) -> bool:
    return axis < len(mask) and bool(mask[axis])


def _gather(build: IrBuilder, layer: Layer) -> str:
    if layer.attributes.get("batch_dims"):
        raise NotTaken("with places of their own for each of a batch")
    axis = layer.whole(2, "axes")[0] % layer.rank()
    places = layer.constant(1, "places").astype(np.int64)
    return build.add("Gather", [layer.inputs[0], build.weight(places, "places")], axis=axis)


def _pad(build: IrBuilder, layer: Layer) -> str:
    """SYMMETRIC repeats the edge, which ONNX can say for one pixel only."""
    mode = str(layer.attributes["pad_mode"]).lower().rpartition(".")[2]
    widths = [*layer.whole(1, "widths"), *layer.whole(2, "widths")]
    if mode == "symmetric" and max(widths) > 1:
        raise NotTaken("that repeats more than the last pixel (symmetric)")
    if min(widths) < 0:
        raise NotTaken("that cuts")
    more = [layer.inputs[3]] if mode == "constant" and layer.has(3) else []
    named = "edge" if mode == "symmetric" else mode
    return build.add("Pad", [layer.inputs[0], build.ints(widths, "pads"), *more], mode=named)


def _broadcast(build: IrBuilder, layer: Layer) -> str:
    if str(layer.attributes.get("mode", "numpy")).lower() == "explicit":
        raise NotTaken("over axes that are named")
    return build.add("Expand", [layer.inputs[0], build.ints(layer.result, "shape")])


def _tile(build: IrBuilder, layer: Layer) -> str:
    times = layer.whole(1, "counts")
    times = [*[1] * (layer.rank() - len(times)), *times]
    return build.add("Tile", [layer.inputs[0], build.ints(times, "times")])


def _depth_to_space(build: IrBuilder, layer: Layer) -> str:
    is_blocks = str(layer.attributes["mode"]).lower().endswith("blocks_first")
    size = int(layer.attributes["block_size"])
    return build.add("DepthToSpace", layer.inputs, blocksize=size, mode="DCR" if is_blocks else "CRD")


def _space_to_depth(build: IrBuilder, layer: Layer) -> str:
    if not str(layer.attributes["mode"]).lower().endswith("blocks_first"):
        raise NotTaken("with the depth first")
    return build.add("SpaceToDepth", layer.inputs, blocksize=int(layer.attributes["block_size"]))


def _shuffle(build: IrBuilder, layer: Layer) -> str:
    """Channels are dealt out over groups."""
    shape, axis, groups = layer.shape(0), int(layer.attributes["axis"]), int(layer.attributes["group"])
    axis %= len(shape)
    dealt = [*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]]
    order = [*range(axis), axis + 1, axis, *range(axis + 2, len(dealt))]
    name = build.add("Reshape", [layer.inputs[0], build.ints(dealt, "dealt")])
    return build.add("Reshape", [build.add("Transpose", [name], perm=order), build.ints(shape, "shape")])


def _same(build: IrBuilder, layer: Layer) -> str:
    return build.add("Identity", layer.inputs[:1])


LAYERS: dict[str, Convert] = {
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": _transpose,
    "Concat": _concatenate,
    "Split": _split,
    "VariadicSplit": _split,
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Gather": _gather,
    "Pad": _pad,
    "Broadcast": _broadcast,
    "Tile": _tile,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "ShuffleChannels": _shuffle,
    "Identity": _same,
}
