"""A TFLite file as an ONNX model with channels first, ready to be read as anyone's ONNX file is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
from onnx import helper, shape_inference

from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.export.tflite import conversions, convolutions, elementwise, pooling, shapes
from edgeseg.export.tflite.builder import FIRST, OWN, TO_FIRST, Builder, Convert, NotTaken
from edgeseg.export.tflite.lite_file import DAMAGES, MOST_VALUES, LiteFile, Operator, damaged

OPSET, IR_VERSION = 17, 8
OPERATIONS: dict[str, Convert] = {
    **elementwise.OPERATIONS,
    **convolutions.OPERATIONS,
    **pooling.OPERATIONS,
    **shapes.OPERATIONS,
    **conversions.OPERATIONS,
}
IMAGE_CHANNELS = (1, 3, 4)
_SHOWN = 12


def onnx_from_lite(file: LiteFile, path: Path) -> onnx.ModelProto:
    """Convert a float network.

    Args:
        file: what was read.
        path: where from, for messages.

    Returns:
        A checked model at opset 17. Its image is ``[N, C, H, W]`` and so are its results of four axes, unless the file
        itself has them in that order. Inputs and outputs are called as in the file.

    Raises:
        ArtifactError: the file is quantised, has operations that are not read (all of them are named), or contradicts
            itself.
    """
    _refuse_quantised(file, path)
    _refuse_unknown(file, path)
    try:
        build, refused = Builder(file), list[str]()
        for number in file.inputs:
            build.put(number, build.unique(build.name(number)), _input_form(build, number))
        lost: set[int] = set()
        for operator in file.operators:
            _convert(build, operator, lost, refused)
        if refused:
            raise ArtifactError(_refusal(path, refused))
        return _finish(build)
    except (*DAMAGES, onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise ArtifactError(damaged(path, f"{type(error).__name__}: {error}")) from None


def _convert(build: Builder, operator: Operator, lost: set[int], refused: list[str]) -> None:
    """Convert one operation, or say why not; what follows from it is passed over."""
    if lost.intersection(operator.inputs):
        lost.update(operator.outputs)
        return
    build.begin(operator)
    try:
        if conversions.fold_constant(build, operator):
            return
        if operator.kind in conversions.ONLY_CONSTANT:
            raise NotTaken("of what is computed")
        OPERATIONS[operator.kind](build, operator)
    except NotTaken as reason:
        refused.append(f"{operator.kind} {reason} ({build.name(operator.outputs[0])!r})")
        lost.update(operator.outputs)


def _input_form(build: Builder, number: int) -> str:
    """An image with its channels last goes in with its channels first."""
    shape = build.shape(number)
    return FIRST if len(shape) == 4 and (shape[3] in IMAGE_CHANNELS or shape[1] not in IMAGE_CHANNELS) else OWN


def _refuse_quantised(file: LiteFile, path: Path) -> None:
    """Refuse integers that a layer computes with; those at the two ends, and weights made float, are fine."""
    for operator in file.operators:
        if operator.kind in ("DEQUANTIZE", "QUANTIZE", "CAST"):
            continue
        for number in (*operator.inputs, *operator.outputs):
            tensor = file.tensors[number]
            if number >= 0 and tensor.scale is not None and tensor.dtype in conversions.QUANTISED:
                raise ArtifactError(
                    f"{path} is quantised already: {operator.kind} computes with {tensor.dtype} ({tensor.name!r}). "
                    "Engines compute different masks from one quantised file, so export starts from float: give the "
                    "float (or float16) .tflite file of the same network, and let edgeseg quantise it with `int8=True`."
                )


def _refuse_unknown(file: LiteFile, path: Path) -> None:
    known = {*OPERATIONS, *conversions.ONLY_CONSTANT}
    sparse = [tensor.name for tensor in file.tensors if tensor.is_sparse]
    unknown = Counter(
        f"{one.kind} (custom)" if one.is_custom else one.kind for one in file.operators if one.kind not in known
    )
    found = [kind if count == 1 else f"{kind} ({count} times)" for kind, count in unknown.items()]
    if found or sparse:
        raise ArtifactError(_refusal(path, [*found, *(f"sparse weights {name!r}" for name in sparse[:3])]))


def _refusal(path: Path, found: Sequence[str]) -> str:
    more = "" if len(found) <= _SHOWN else f", and {len(found) - _SHOWN} more"
    return (
        f"{path} has what edgeseg does not read from TensorFlow Lite: {', '.join(found[:_SHOWN])}{more}. Export the "
        "network that it was converted from to ONNX, or convert the file with tf2onnx (python -m tf2onnx.convert "
        f"--tflite {path.name} --output model.onnx), and give that."
    )


def _finish(build: Builder) -> onnx.ModelProto:
    file = build.file
    entries = [_entry(build, number, _form(build, number)) for number in file.inputs]
    exits = [_exit(build, number, {one.name for one in entries}) for number in file.outputs]
    _rename(build, {one.name: build.name(number) for one, number in zip(exits, file.outputs, strict=True)}, exits)
    graph = helper.make_graph(build.nodes, "tflite", entries, exits, build.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="edgeseg")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    with quiet():
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    _check_shapes(inferred.graph, exits)
    return model


def _form(build: Builder, number: int) -> str:
    """The form in which something is there; channels first where both are."""
    return OWN if build.rank(number) == 4 and build.has(number, OWN) and not build.has(number, FIRST) else FIRST


def _entry(build: Builder, number: int, form: str) -> onnx.ValueInfoProto:
    tensor = build.file.tensors[number]
    is_first = form == FIRST and len(tensor.shape) == 4
    shape = [tensor.shape[axis] for axis in TO_FIRST] if is_first else list(tensor.shape)
    name = build.first(number) if form == FIRST else build.own(number)
    if tensor.dtype is None:
        raise ValueError(f"{tensor.name!r} has a type that is not read")
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(tensor.dtype), shape)


def _exit(build: Builder, number: int, inputs: set[str]) -> onnx.ValueInfoProto:
    """A result; one that is an input or a constant as it is gets a node of its own."""
    entry = _entry(build, number, _form(build, number))
    if entry.name in inputs or entry.name in {tensor.name for tensor in build.weights}:
        entry.name = build.add("Identity", [entry.name])
    return entry


def _rename(build: Builder, names: dict[str, str], exits: Iterable[onnx.ValueInfoProto]) -> None:
    """Give results the names of the file, where an intermediate value has it already."""
    taken = {name for node in build.nodes for name in (*node.input, *node.output)} - set(names)
    names = {old: new for old, new in names.items() if new not in taken and old != new}
    for node in build.nodes:
        for place in (node.input, node.output):
            place[:] = [names.get(name, name) for name in place]
    for one in exits:
        one.name = names.get(one.name, one.name)


def _check_shapes(graph: onnx.GraphProto, exits: Sequence[onnx.ValueInfoProto]) -> None:
    """Hold what follows from the operations against what the file declares, and against a bound."""
    for one in (*graph.value_info, *graph.output):
        sides = [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        if math.prod(sides) > MOST_VALUES:
            raise ValueError(f"{one.name!r} would have {sides}")
    declared = {one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim] for one in exits}
    for one in graph.output:
        found = [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        if found != declared[one.name]:
            raise ValueError(f"{one.name!r} is declared as {declared[one.name]} and would be {found}")
