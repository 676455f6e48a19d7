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
