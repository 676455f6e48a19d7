"""A foreign graph made ready: fixed in size, float32, one picture at a time, at opset 17."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError, SpecError
from edgeseg.export.graphs.opset import OPSET, OpsetError, at_opset_17, check_operations, read_opset
from edgeseg.export.graphs.ort_session import make_run
from edgeseg.export.reading.entry import TO_LAST, Entry, fix_entry
from edgeseg.export.reading.float_from_half import float_from_half
from edgeseg.export.reading.graph_view import GraphView
from edgeseg.export.reading.training_traces import trains

WEIGHTS_ARE_NO_INPUTS = 4
_BATCHED = {"Reshape": 1, "Expand": 1, "Tile": 1, "Resize": 3, "ConstantOfShape": 0}
"""Operations that take sizes, and the input that has them."""


def plain_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a graph with its own functions written out and no weights among its inputs.

    Raises:
        ArtifactError: an operation that no engine knows.
    """
    net = onnx.ModelProto()
    net.CopyFrom(model)
    if net.functions:
        from onnx import inliner

        net = inliner.inline_local_functions(net)
    check_operations(net)
    weights = {tensor.name for tensor in net.graph.initializer}
    images = [entry for entry in net.graph.input if entry.name not in weights]
    del net.graph.input[:]
    net.graph.input.extend(images)
    net.ir_version = max(net.ir_version, WEIGHTS_ARE_NO_INPUTS)
    return net


def own_graph(model: onnx.ModelProto, entry: Entry) -> onnx.ModelProto:
    """Copy a graph as its author would run it: nothing but the sizes of its input are fixed."""
    own = onnx.ModelProto()
    own.CopyFrom(model)
    fix_entry(own.graph, entry, entry.batch)
    return own


def float_graph(model: onnx.ModelProto, entry: Entry) -> onnx.ModelProto:
    """Copy a graph as float32 ``[1, C, H, W]`` in, one picture at a time, opset 17, shapes inferred.

    Raises:
        SpecError: it takes several pictures at once and no fewer, or cannot be brought to opset 17.
    """
    net = onnx.ModelProto()
    net.CopyFrom(model)
    float_from_half(net)
    if entry.takes_pixels:
        _take_float(net)
    fix_entry(net.graph, entry, 1)
    if entry.batch > 1:
        _take_one(net, entry)
    net = _upgrade(net)
    _normalise_instances(net)
    if entry.last:
        _take_planes(net.graph, entry)
    with quiet():
        return shape_inference.infer_shapes(net)


def _take_float(net: onnx.ModelProto) -> None:
    """Let a graph of uint8 pixels take the same numbers as float32."""
    graph, name = net.graph, net.graph.input[0].name
    readers = [node for node in graph.node if name in node.input]
    if not all(node.op_type == "Cast" for node in readers):
        for node in readers:
            node.input[:] = [f"{name}/pixels" if given == name else given for given in node.input]
        graph.node.insert(0, helper.make_node("Cast", [name], [f"{name}/pixels"], to=TensorProto.UINT8))
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def _take_one(net: onnx.ModelProto, entry: Entry) -> None:
    """Make a graph of a fixed batch take one picture, where its sizes allow it."""
    blank = np.zeros([side or 1 for side in entry.shape(1)], np.float32)
    if _runs(net, blank):
        return
    _write_one(net, entry.batch)
    if not _runs(net, blank):
        raise SpecError(
            f"This file takes {entry.batch} pictures at once, and no fewer. Export the network with a batch of 1: "
            "torch.onnx.export(net.eval(), torch.zeros(1, 3, H, W), 'model.onnx')."
        )


def _write_one(net: onnx.ModelProto, batch: int) -> None:
    """Replace a batch that is written into constant sizes by one."""
    view = GraphView(net)
    for node in net.graph.node:
        at = _BATCHED.get(node.op_type, len(node.input))
        sizes = view.constant(node.input[at]) if len(node.input) > at else None
        if sizes is not None and sizes.size and sizes.dtype.kind == "i" and sizes.ravel()[0] == batch:
            one, name = sizes.copy(), f"{node.output[0]}/one_picture"
            one.ravel()[0] = 1
            net.graph.initializer.append(numpy_helper.from_array(one, name))
            node.input[at] = name


def _runs(net: onnx.ModelProto, blank: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bool:
    try:
        make_run(net)(blank)
    except ArtifactError:
        return False
    return True


def _upgrade(net: onnx.ModelProto) -> onnx.ModelProto:
    """At opset 17; a newer graph that cannot be lowered stays as it is."""
    try:
        return at_opset_17(net)
    except OpsetError as error:
        if read_opset(net) < OPSET:
            raise SpecError(
                f"This file has opset {read_opset(net)} and cannot be brought to {OPSET}: {error}. "
                f"Export it again at opset {OPSET}."
            ) from None
    return net


def _normalise_instances(net: onnx.ModelProto) -> None:
    """Write normalisation by the batch as what it is for one picture: InstanceNormalization, which engines know."""
    for node in net.graph.node:
        if trains(node):
            node.op_type = "InstanceNormalization"
            node.input[:] = node.input[:3]
            node.output[:] = node.output[:1]
            kept = [attribute for attribute in node.attribute if attribute.name == "epsilon"]
            del node.attribute[:]
            node.attribute.extend(kept)


def _take_planes(graph: onnx.GraphProto, entry: Entry) -> None:
    """Put a Transpose before a graph with channels last; simplifying moves it inwards until it meets another."""
    name, shape = f"{entry.name}/planes", [1, entry.channels, entry.height, entry.width]
    graph.node.insert(
        0, helper.make_node("Transpose", [name], [entry.name], name=f"{entry.name}/to_last", perm=TO_LAST)
    )
    graph.input[0].CopyFrom(helper.make_tensor_value_info(name, graph.input[0].type.tensor_type.elem_type, shape))
