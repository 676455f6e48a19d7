"""The crop at the end of a network, moved behind the labels: bytes are cut instead of floats.

A network that pads its input to a multiple of its stride cuts its logits back. Of 11 classes at 384x480 that copies
7.6 MB of floats a frame, in OpenVINO by a reference kernel (0.7 of 18.9 ms), before ArgMax reads them once more. Which
pixel a label belongs to does not change by what is cut off around it, so the labels are cut: 0.2 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import numpy_helper

SPACE = {2: 0, 3: 1, -2: 0, -1: 1}
"""Axes of ``[1, K, H, W]`` that a crop cuts, and which of rows and columns they are."""


@dataclass(frozen=True)
class Crop:
    """Where the network's answer begins in what it computed.

    Attributes:
        logits: name of the tensor ``[1, K, H', W']`` that is cut.
        top, left: its first row and column that belong to the picture.
    """

    logits: str
    top: int = 0
    left: int = 0


def find_crop(graph: onnx.GraphProto) -> Crop | None:
    """Find the crop that the only output of a network ends with.

    It is a Slice of rows or columns by constants, a Pad of less than nothing, or several in a row.

    Returns:
        What is cut; None where the network does not end with a crop.
    """
    makers = {name: node for node in graph.node for name in node.output}
    constants = _constants(graph)
    found, crop = None, Crop(graph.output[0].name)
    while (node := makers.get(crop.logits)) is not None:
        start = (0, 0) if node.op_type == "Identity" else _start(node, constants)
        if start is None:
            break
        crop = Crop(node.input[0], crop.top + start[0], crop.left + start[1])
        if node.op_type != "Identity":
            found = crop
    return found


def _constants(graph: onnx.GraphProto) -> Mapping[str, onnx.TensorProto]:
    nodes = {node.output[0]: node for node in graph.node if node.op_type == "Constant"}
    values = {name: one.t for name, node in nodes.items() for one in node.attribute if one.name == "value"}
    return {**values, **{tensor.name: tensor for tensor in graph.initializer}}


def _start(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> tuple[int, int] | None:
    """The first row and column that a node keeps; None where it does more than cut a rectangle out."""
    reads = {"Slice": _start_of_slice, "Pad": _start_of_pad}.get(node.op_type)
    given = [constants.get(name) if name else None for name in node.input[1:]]
    if reads is None or any(name and value is None for name, value in zip(node.input[1:], given, strict=True)):
        return None
    return reads(node, [None if value is None else numpy_helper.to_array(value).reshape(-1) for value in given])


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
