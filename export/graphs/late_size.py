"""What only cuts or repeats pixels at the end of a network, moved behind the labels.

A network that pads its input to a multiple of its stride cuts its logits back. Of 11 classes at 384x480 that copies
7.6 MB of floats a frame, in OpenVINO by a reference kernel (0.7 of 18.9 ms), before ArgMax reads them once more. One
that ends with a resize by nearest neighbour repeats them, and ArgMax compares four or sixteen times what it has
compared already. Which label a pixel has does not change by what is cut off around it or how often it is repeated, so
that is done to the labels: 0.2 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

SPACE = {2: 0, 3: 1, -2: 0, -1: 1}
"""Axes of ``[1, K, H, W]`` that a crop cuts, and which of rows and columns they are."""
REPEATING = {
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
    ("pytorch_half_pixel", "round_prefer_ceil"),
    ("tf_half_pixel_for_nn", "floor"),
}
"""Coordinates and rounding of ONNX's nearest Resize by which a whole factor repeats each pixel."""


@dataclass(frozen=True)
class Cut:
    """A rectangle cut out: its first row and column, and its size."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Repeat:
    """Each pixel as often as this, downwards and to the right."""

    rows: int
    columns: int


@dataclass(frozen=True)
class Ending:
    """How a network's answer comes of what it computed.

    Attributes:
        logits: name of the tensor ``[1, K, H', W']`` that it comes of.
        steps: what is done to that, in order.
    """

    logits: str
    steps: tuple[Cut | Repeat, ...]


def find_ending(net: onnx.ModelProto, height: int, width: int) -> Ending | None:
    """Find what the only output of a network ends with that only cuts or repeats pixels.

    It is a Slice of rows or columns by constants, a Pad of less than nothing, or a Resize to the nearest pixel by whole
    factors, or several in a row.

    Args:
        net: with one output ``[1, K, height, width]``. Not changed.
        height, width: of the output, which a file need not say.

    Returns:
        What is cut and repeated; None where the network does not end so.
    """
    net = _with_shapes(net)
    makers = {name: node for node in net.graph.node for name in node.output}
    reader = _Reader(net.graph)
    name, found = net.graph.output[0].name, None
    size: tuple[int, int] | None = (height, width)
    steps: list[Cut | Repeat] = []
    while (node := makers.get(name)) is not None:
        name = node.input[0] if node.input else ""
        if node.op_type == "Identity":
            continue
        if size is None or (step := reader.read(node, size)) is None:
            break
        steps.insert(0, step)
        found, size = name, reader.size(name)
    return Ending(found, _join(steps)) if found else None


def _with_shapes(net: onnx.ModelProto) -> onnx.ModelProto:
    moving = {"Slice", "Pad", "Resize"}
    return shape_inference.infer_shapes(net) if any(node.op_type in moving for node in net.graph.node) else net


def _join(steps: Sequence[Cut | Repeat]) -> tuple[Cut | Repeat, ...]:
    """Join cuts in a row into one."""
    joined: list[Cut | Repeat] = []
    for step in steps:
        if joined and isinstance(step, Cut) and isinstance(before := joined[-1], Cut):
            joined[-1] = Cut(before.top + step.top, before.left + step.left, step.height, step.width)
        else:
            joined.append(step)
    return tuple(joined)


class _Reader:
    """Reads nodes that cut or repeat, with the constants and sizes of their graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._constants = _constants(graph)
        known = (*graph.value_info, *graph.input)
        self._shapes = {info.name: [size.dim_value for size in info.type.tensor_type.shape.dim] for info in known}

    def size(self, name: str) -> tuple[int, int] | None:
        """Rows and columns of a tensor; None where they are not known."""
        shape = self._shapes.get(name, [])
        return (shape[2], shape[3]) if len(shape) == 4 and shape[2] and shape[3] else None

    def read(self, node: onnx.NodeProto, size: tuple[int, int]) -> Cut | Repeat | None:
        """Tell what a node does that gives this size; None where it does more than cut a rectangle out or repeat."""
        given = [self._constants.get(name) if name else None for name in node.input[1:]]
        if any(name and value is None for name, value in zip(node.input[1:], given, strict=True)):
            return None
        values = [None if value is None else numpy_helper.to_array(value).reshape(-1) for value in given]
        if node.op_type == "Resize":
            return self._repeat(node, values, size)
        reads = {"Slice": _start_of_slice, "Pad": _start_of_pad}.get(node.op_type)
        if reads is None or (start := reads(node, values)) is None:
            return None
        return Cut(*start, *size)

    def _repeat(self, node: onnx.NodeProto, values: Sequence[Any], size: tuple[int, int]) -> Repeat | None:
        small = self.size(node.input[0])
        if small is None or any(large % one for large, one in zip(size, small, strict=True)):
            return None
        repeat = Repeat(size[0] // small[0], size[1] // small[1])
        scales = values[1] if len(values) > 1 and values[1] is not None else []
        is_whole = not len(scales) or np.array_equal(scales, [1, 1, repeat.rows, repeat.columns])
        return repeat if is_whole and _is_repeating(node) else None


def _is_repeating(node: onnx.NodeProto) -> bool:
    said = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    how = (
        said.get("coordinate_transformation_mode", b"half_pixel").decode(),
        said.get("nearest_mode", b"round_prefer_floor").decode(),
    )
    return said.get("mode", b"nearest") == b"nearest" and how in REPEATING and "axes" not in said


def _constants(graph: onnx.GraphProto) -> Mapping[str, onnx.TensorProto]:
    nodes = {node.output[0]: node for node in graph.node if node.op_type == "Constant"}
    values = {name: one.t for name, node in nodes.items() for one in node.attribute if one.name == "value"}
    return {**values, **{tensor.name: tensor for tensor in graph.initializer}}


def _start_of_slice(node: onnx.NodeProto, given: list[Any]) -> tuple[int, int] | None:
    if len(given) < 2:  # opset 9 and older, where they are attributes
        return None
    starts = [int(one) for one in given[0]]
    axes = list(range(len(starts))) if len(given) < 3 or given[2] is None else [int(one) for one in given[2]]
    steps = [1] * len(starts) if len(given) < 4 or given[3] is None else [int(one) for one in given[3]]
    first = [0, 0]
    for start, stop, axis, step in zip(starts, given[1], axes, steps, strict=True):
        if step == 1 and start == 0 and stop >= 2**31 - 1:
            continue  # the whole axis
        if axis not in SPACE or step != 1 or start < 0:
            return None
        first[SPACE[axis]] += start
    return first[0], first[1]


def _start_of_pad(node: onnx.NodeProto, given: list[Any]) -> tuple[int, int] | None:
    """A Pad by negative numbers is what ``F.pad(logits, (0, -right, 0, -below))`` becomes."""
    pads = [int(one) for one in given[0]] if given and given[0] is not None else []
    named_axes = len(given) > 2 and given[2] is not None
    if len(pads) != 8 or named_axes or any(pads[at] for at in (0, 1, 4, 5)) or max(pads) > 0:
        return None
    return -pads[2], -pads[3]
