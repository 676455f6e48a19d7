"""Graphs whose labels are cut to the picture instead of the logits, and their logits all the same.

Where nobody asks for logits, the deployed graph computes labels of the padded picture and cuts bytes. Who compares
logits (quantisation, traces, a network taken out of its graph) wants those of the picture, under their usual name.
"""

from __future__ import annotations

from typing import Any

from edgeseg.console.extras import require

LOGITS = "logits"
UNCUT = "edgeseg/uncut"
"""The logits of the padded picture, and the beginning of the names of what is cut."""
CUT = "edgeseg/cut_{}"
"""What Slice reads behind the labels: start, stop, axes."""


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
        inputs = [UNCUT, *(CUT.format(what) for what in ("start", "stop", "axes"))]
        graph.node.append(onnx.helper.make_node("Slice", inputs, [LOGITS], f"edgeseg/Slice_{LOGITS}"))
    if LOGITS not in {output.name for output in graph.output}:
        graph.output.append(onnx.helper.make_tensor_value_info(LOGITS, onnx.TensorProto.FLOAT, None))
    return copy


def cut_like(value: Any, slice_of_labels: Any) -> Any:
    """Cut the logits of an OpenVINO model as it cuts its labels.

    Args:
        value: the port of the logits, their rows and columns last.
        slice_of_labels: the node that cuts.

    Returns:
        The port of the logits of the picture.
    """
    operations = require("openvino.opset13", "export")
    start, stop, step, axes = (port.get_node().data.copy() for port in slice_of_labels.input_values()[1:5])
    axes = axes % _rank(slice_of_labels.input_value(0)) - _rank(slice_of_labels.input_value(0)) + _rank(value)
    return operations.slice(value, *map(operations.constant, (start, stop, step, axes)), name=LOGITS).output(0)


def _rank(value: Any) -> int:
    return len(value.get_partial_shape())


def cut_before_bytes(model: Any) -> None:
    """Cut floats where a deployed ONNX graph cuts bytes, in place: TensorRT only casts to uint8, and cuts no uint8.

    Args:
        model: a deployed ``onnx.ModelProto``.
    """
    onnx = require("onnx", "export")
    graph = model.graph
    cuts = {node.input[0]: node for node in graph.node if node.op_type == "Slice"}
    casts = [node.output[0] for node in graph.node if _makes_bytes(node, onnx) and node.output[0] in cuts]
    nodes = []
    for node in graph.node:
        if node.op_type == "Slice" and node.input[0] in casts:
            continue
        if node.output[0] in casts:
            nodes += _cut_first(node, cuts[node.output[0]], onnx)
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(nodes)


def _makes_bytes(node: Any, onnx: Any) -> bool:
    return bool(node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.UINT8)


def _cut_first(cast: Any, cut: Any, onnx: Any) -> list[Any]:
    make, whole, part = onnx.helper.make_node, f"{cast.output[0]}_float", f"{cast.output[0]}_cut"
    name = f"edgeseg/Cast_{whole.removeprefix('edgeseg/')}"
    return [
        make("Cast", [cast.input[0]], [whole], name, to=onnx.TensorProto.FLOAT),
        make("Slice", [whole, *cut.input[1:]], [part], cut.name),
        make("Cast", [part], [cut.output[0]], cast.name, to=onnx.TensorProto.UINT8),
    ]
