"""An OpenVINO model with all sizes known as an ONNX model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, shape_inference

from edgeseg.errors import ArtifactError
from edgeseg.export.ir import moving_layers, picture_layers, plain_layers
from edgeseg.export.ir.ir_nodes import Convert, IrBuilder, Layer, NotTaken, check_size, type_of
from edgeseg.runtime.engines.openvino_core import load_openvino

OPSET, IR_VERSION = 17, 8
LAYERS: dict[str, Convert] = {**plain_layers.LAYERS, **picture_layers.LAYERS, **moving_layers.LAYERS}
ENDS = ("Parameter", "Constant", "Result")
SIZES = ("ShapeOf",)
QUANTISED = ("FakeQuantize", "FakeConvert")
_SHOWN = 12
_DAMAGES = (NotTaken, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError)


def onnx_from_ir(model: Any, path: Path) -> onnx.ModelProto:
    """Convert a float network.

    Args:
        model: an ``openvino.Model`` whose sizes are all known and whose constants are folded.
        path: where from, for messages.

    Returns:
        A checked model at opset 17, with the inputs and outputs that the IR has, called as there.

    Raises:
        ArtifactError: it is quantised, has layers that are not read (all of them are named), or contradicts itself.
    """
    nodes = model.get_ordered_ops()
    _refuse_quantised(nodes, path)
    _refuse_unknown(nodes, path)
    build, refused = IrBuilder(), list[str]()
    try:
        entries = [_entry(build, value) for value in model.inputs]
        for node in nodes:
            _convert(build, node, refused)
        if refused:
            raise ArtifactError(_refusal(path, refused))
        exits = [_exit(build, value) for value in model.outputs]
        graph = helper.make_graph(build.nodes, "ir", entries, exits, build.weights())
        done = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="edgeseg")
        done.ir_version = IR_VERSION
        onnx.checker.check_model(done)
    except (*_DAMAGES, onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")[:200]
        raise ArtifactError(f"{path} cannot be read as a network ({said}). Export it again from its source.") from None
    return done


def _convert(build: IrBuilder, node: Any, refused: list[str]) -> None:
    """Convert one layer, or say why not; what follows from it is passed over."""
    kind = node.get_type_name()
    if kind in ("Parameter", "Result"):
        return
    for value in node.outputs():
        check_size(value)
    build.begin(node)
    if kind == "Constant":
        build.put(node.output(0), build.weight(_data(node), "constant"))
        return
    layer = Layer(node, build)
    try:
        layer.inputs  # noqa: B018
    except KeyError:
        return
    try:
        if (values := _fold(layer)) is not None:
            build.put(node.output(0), build.weight(values, "constant"))
            return
        made = LAYERS[kind](build, layer)
    except NotTaken as reason:
        refused.append(f"{kind} {reason} ({node.get_friendly_name()!r})")
        return
    names = [made] if isinstance(made, str) else made
    for value, name in zip(node.outputs(), names, strict=False):
        build.put(value, name)


def _fold(layer: Layer) -> np.ndarray[Any, np.dtype[Any]] | None:
    """Compute what follows from constants alone: weights kept in float16, and sizes."""
    result = layer.node.output(0)
    dtype = helper.tensor_dtype_to_np_dtype(type_of(result))
    if layer.kind in SIZES:
        return np.array(layer.shape(0)).astype(dtype)
    given = [layer.build.constants.get(name) for name in layer.inputs]
    if len(layer.node.outputs()) != 1 or any(one is None for one in given) or not given:
        return None
    if layer.kind in ("Convert", "ConvertLike"):
        assert given[0] is not None
        return given[0].astype(dtype)
    openvino = load_openvino("export")
    made = openvino.Tensor(result.get_element_type(), result.get_shape())
    if not layer.node.evaluate([made], [openvino.Tensor(np.ascontiguousarray(one)) for one in given]):
        return None
    return np.array(made.data).reshape(result.get_shape())


def _data(node: Any) -> np.ndarray[Any, np.dtype[Any]]:
    type_of(node.output(0))
    return np.array(node.get_data()).reshape(node.output(0).get_shape())


def _entry(build: IrBuilder, value: Any) -> onnx.ValueInfoProto:
    check_size(value)
    name = build.unique(_called(value))
    build.put(value, name)
    return helper.make_tensor_value_info(name, type_of(value), list(value.get_shape()))


def _exit(build: IrBuilder, value: Any) -> onnx.ValueInfoProto:
    """A result, called as the IR calls it."""
    source = value.get_node().input_value(0)
    name, wanted = build.name(source), _called(value)
    inputs = {one for node in build.nodes for one in node.output}
    if name in inputs and wanted not in inputs and wanted not in build.constants:
        _rename(build.nodes, name, wanted)
        build.put(source, wanted)
        name = wanted
    elif name not in inputs:
        name = build.add("Identity", [name])
    return helper.make_tensor_value_info(name, type_of(value), list(value.get_shape()))


def _rename(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for place in (node.input, node.output):
            place[:] = [new if name == old else name for name in place]


def _called(value: Any) -> str:
    """The first of the names of a result, or that of its layer."""
    names = sorted(value.get_names())
    node = value.get_node()
    if names:
        return str(names[0])
    source = node.input_value(0).get_node() if node.get_type_name() == "Result" else node
    return str(source.get_friendly_name())


def _refuse_quantised(nodes: Sequence[Any], path: Path) -> None:
    found = next((node for node in nodes if node.get_type_name() in QUANTISED), None)
    if found is not None:
        raise ArtifactError(
            f"{path} is quantised already: {found.get_type_name()} {found.get_friendly_name()!r}. What it lost nobody "
            "can measure without the float network: give the IR, ONNX file or checkpoint from before quantisation, and "
            "let edgeseg quantise it with `int8=True`."
        )


def _refuse_unknown(nodes: Sequence[Any], path: Path) -> None:
    unknown = Counter(node.get_type_name() for node in nodes if node.get_type_name() not in (*LAYERS, *ENDS, *SIZES))
    if unknown:
        raise ArtifactError(
            _refusal(path, [kind if count == 1 else f"{kind} ({count} times)" for kind, count in unknown.items()])
        )


def _refusal(path: Path, found: Sequence[str]) -> str:
    more = "" if len(found) <= _SHOWN else f", and {len(found) - _SHOWN} more"
    return (
        f"{path} has what edgeseg does not read from OpenVINO IR: {', '.join(found[:_SHOWN])}{more}. Give the ONNX "
        "file or the checkpoint that it was converted from."
    )
