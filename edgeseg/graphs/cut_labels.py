"""Graphs whose labels are cut and repeated to the picture instead of the logits, and their logits all the same.

Where nobody asks for logits, the deployed graph computes labels of the padded or smaller picture and cuts and repeats
bytes. Who compares logits (quantisation, traces, a network taken out of its graph) wants those of the picture, under
their usual name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeseg.console.extras import require

LOGITS, LABELS = "logits", "labels"
UNCUT = "edgeseg/uncut"
"""The logits that labels are found of, and the beginning of the names of what is cut and repeated."""
CUT = "edgeseg/cut_{}"
"""What Slice reads behind the labels: start, stop, axes."""
REPEATS = "edgeseg/repeats"
"""What Resize reads behind the labels: how often each pixel stands there, of four axes."""
STEPS = ("Slice", "Resize")
PLANES = ("Unsqueeze", "Squeeze")


def expose_logits(model: Any) -> Any:
    """Copy a deployed ONNX graph so that it has the tensor ``logits`` of the picture, as an output too.

    Args:
        model: a deployed ``onnx.ModelProto`` of any version of edgeseg, float or Q/DQ. Not changed.

    Raises:
        MissingExtra: onnx is not installed.
    """
    onnx = require("onnx", "export")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    made = {name for node in graph.node for name in node.output}
    if LOGITS not in made and UNCUT in made:
        steps = _steps_to(graph, LABELS)
        names = [UNCUT, *(f"{UNCUT}_{LOGITS}_{count}" for count in range(1, len(steps))), LOGITS]
        for step, read, given in zip(steps, names, names[1:], strict=False):
            graph.node.append(_like(step, read, given, onnx))
    if LOGITS not in {output.name for output in graph.output}:
        graph.output.append(onnx.helper.make_tensor_value_info(LOGITS, onnx.TensorProto.FLOAT, None))
    return copy


def _steps_to(graph: Any, output: str) -> list[Any]:
    """What cuts and repeats an output, in order."""
    makers = {name: node for node in graph.node for name in node.output}
    steps: list[Any] = []
    node = makers.get(output)
    while node is not None and node.op_type in (*STEPS, *PLANES):
        steps.insert(0, node)
        node = makers.get(node.input[0])
    return [step for step in steps if step.op_type in STEPS]


def _like(step: Any, read: str, given: str, onnx: Any) -> Any:
    node = onnx.NodeProto()
    node.CopyFrom(step)
    node.name = f"edgeseg/{step.op_type}_{given.removeprefix('edgeseg/')}"
    node.input[0], node.output[0] = read, given
    return node


def as_labels(value: Any, steps: Sequence[Any]) -> Any:
    """Cut and repeat the logits of an OpenVINO model as it does its labels.

    Args:
        value: the port of the logits, their rows and columns last.
        steps: the nodes that cut and repeat the labels, in order.

    Returns:
        The port of the logits of the picture.
    """
    for step in steps:
        value = _cut(value, step) if step.get_type_name() == "Slice" else _repeat(value, step)
    return value


def _cut(value: Any, step: Any) -> Any:
    operations = require("openvino.opset13", "export")
    start, stop, stride, axes = (port.get_node().data.copy() for port in step.input_values()[1:5])
    axes = axes % _rank(step.input_value(0)) - _rank(step.input_value(0)) + _rank(value)
    return operations.slice(value, *map(operations.constant, (start, stop, stride, axes)), name=LOGITS).output(0)


def _repeat(value: Any, step: Any) -> Any:
    """As the network did it: an Interpolate, by how much the labels have grown."""
    operations = require("openvino.opset13", "export")
    before, after = (port.get_partial_shape() for port in (step.input_value(0), step.output(0)))
    grown = np.array([after[at].get_length() / before[at].get_length() for at in (-2, -1)], np.float32)
    return operations.interpolate(
        value,
        operations.constant(grown),
        "nearest",
        "scales",
        axes=operations.constant(np.array([_rank(value) - 2, _rank(value) - 1])),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        name=LOGITS,
    ).output(0)


def _rank(value: Any) -> int:
    return len(value.get_partial_shape())


def size_before_bytes(model: Any) -> None:
    """Cut and repeat floats where a deployed ONNX graph does bytes, in place: TensorRT only casts to uint8.

    Args:
        model: a deployed ``onnx.ModelProto``.
    """
    onnx = require("onnx", "export")
    graph = model.graph
    for output in [output.name for output in graph.output]:
        readers = {name: node for node in graph.node for name in node.input[:1]}
        casts = [node for node in graph.node if _makes_bytes(node, onnx) and node.output[0] == f"{UNCUT}_{output}"]
        for cast in casts:
            last = cast
            while last.output[0] != output:
                last = readers[last.output[0]]
            if last is not cast:
                _cast_last(graph, cast, last, onnx)


def _makes_bytes(node: Any, onnx: Any) -> bool:
    return bool(node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.UINT8)


def _cast_last(graph: Any, cast: Any, last: Any, onnx: Any) -> None:
    """Cast to float before the steps, and behind them to bytes."""
    output, sized = last.output[0], f"{cast.output[0]}_sized"
    graph.node.append(onnx.helper.make_node("Cast", [sized], [output], cast.name, to=onnx.TensorProto.UINT8))
    last.output[0] = sized
    cast.name = f"edgeseg/Cast_{cast.output[0].removeprefix('edgeseg/')}_float"
    cast.attribute[0].i = onnx.TensorProto.FLOAT
    changed = [info for info in graph.value_info if info.name.startswith(UNCUT)]
    for info in changed:
        graph.value_info.remove(info)
