"""What TensorRT would refuse, or silently compute otherwise, in an ONNX file: found before a device is at hand.

Two of the rules are about silence. TensorRT reads uint8 with zero point 0 as INT8 of the same scale, so that
codes above 127 clip, and only logs a warning; NNCF's ONNX output uses exactly that after every ReLU. The other
rules end in a parser error on the device, hours later and without the name of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError, UserError
from edgeseg.graphs.onnx_graph import map_makers
from edgeseg.runtime.trt.versions import find_features

FP16_SCALES_OPSET = 19
FP16_SCALES_VERSION = (10,)
UINT8, INT8, INT32, FLOAT16 = 2, 3, 6, 10
Q, DQ = "QuantizeLinear", "DequantizeLinear"

UNSUPPORTED = frozenset(
    {"BitShift", "Compress", "ConcatFromSequence", "ConvInteger", "Det", "DynamicQuantizeLinear", "Hardmax"}
    | {"MatMulInteger", "MaxRoiPool", "MaxUnpool", "Multinomial", "NegativeLogLikelihoodLoss", "QLinearConv"}
    | {"QLinearMatMul", "RandomNormal", "RandomNormalLike", "SequenceAt", "SequenceConstruct", "SequenceEmpty"}
    | {"SequenceErase", "SequenceInsert", "SequenceLength", "SoftmaxCrossEntropyLoss", "SplitToSequence"}
    | {"StringNormalizer", "TfIdfVectorizer", "Unique"}
)
"""Operations that the support matrix of onnx-tensorrt (its file operators.md) marks N in every version from 8.6 on."""

INSTEAD = {
    "MaxUnpool": "Train the network with nearest or bilinear upsampling instead.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that TensorRT would not take.

    Attributes:
        rule: which rule it breaks, one word or two.
        node: the node's name, or the tensor's.
        sentence: what was found and what to do.
    """

    rule: str
    node: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.node}: {self.sentence}"


def lint(model: Any, tensorrt: str = "10") -> list[Finding]:
    """Find everything in an ONNX model that a TensorRT version would refuse or misread; empty when it is clean.

    Args:
        model: an ``onnx.ModelProto``.
        tensorrt: the version on the device, ``8.6`` or newer.

    Raises:
        UserError: a version that is no number, or too old.
    """
    version = _version(tensorrt)
    rules: tuple[Callable[[Any], Iterator[Finding]], ...] = (
        _shapes,
        _pixels,
        _kinds,
        _zero_points,
        _indices,
        _operations,
    )
    return [*_opset(model, version), *(finding for rule in rules for finding in rule(model))]


def expect_clean(model: Any, tensorrt: str = "10") -> None:
    """Raise ArtifactError, every finding a line, when TensorRT would not take the file or would misread it."""
    if findings := lint(model, tensorrt):
        listed = "\n".join(f"  {finding}" for finding in findings[:20])
        raise ArtifactError(f"TensorRT {tensorrt} would not run this file as it is meant:\n{listed}")


def _version(text: str) -> tuple[int, ...]:
    try:
        version = tuple(int(part) for part in text.split("."))
    except ValueError:
        raise UserError(f"A TensorRT version looks like 8.6 or 10.3; found {text!r}.") from None
    if version < (8, 6):
        raise UserError(f"INT8 files are made for TensorRT 8.6 and newer; found {text}. Update JetPack or TensorRT.")
    return version


def _opset(model: Any, version: tuple[int, ...]) -> Iterator[Finding]:
    found = next((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    said = ".".join(map(str, version))
    limit = find_features(said).max_opset
    if found > limit:
        yield Finding(
            "opset", model.graph.name, f"opset {found} is newer than TensorRT {said} reads ({limit}). Export at 17."
        )
    halves = [node for node in _quantisers(model) if _kind(model, node.input[1]) == FLOAT16]
    if halves and (found < FP16_SCALES_OPSET or version < FP16_SCALES_VERSION):
        yield Finding(
            "fp16 scales",
            halves[0].name,
            f"{halves[0].op_type} has a float16 scale, which needs opset {FP16_SCALES_OPSET} and TensorRT 10; found "
            f"opset {found} for TensorRT {said}. Keep scales in float32, or export at opset {FP16_SCALES_OPSET}.",
        )


def _shapes(model: Any) -> Iterator[Finding]:
    constants = {tensor.name for tensor in model.graph.initializer}
    for entry in (*model.graph.input, *model.graph.output):
        dims = entry.type.tensor_type.shape.dim
        if entry.name not in constants and not (dims and all(dim.dim_value > 0 for dim in dims)):
            shape = [dim.dim_param or dim.dim_value or "?" for dim in dims]
            yield Finding("shapes", entry.name, f"its shape {shape} is not fixed. Export with `imgsz=(H, W)`.")


def _pixels(model: Any) -> Iterator[Finding]:
    """UINT8 exists at inputs and outputs only: a Cast has to stand between them and everything else."""
    bytes_in = {entry.name for entry in model.graph.input if entry.type.tensor_type.elem_type == UINT8}
    bytes_out = {entry.name for entry in model.graph.output if entry.type.tensor_type.elem_type == UINT8}
    for node in model.graph.node:
        if node.op_type != "Cast" and (bytes_in & set(node.input) or bytes_out & set(node.output)):
            yield Finding("uint8", node.name, f"{node.op_type} works on uint8, which TensorRT only casts. Put a Cast.")


def _kinds(model: Any) -> Iterator[Finding]:
    for node in _quantisers(model):
        kind = _quantised_kind(model, node)
        if kind == UINT8:
            yield Finding(
                "uint8 Q/DQ",
                node.name,
                f"{node.op_type} is uint8, which TensorRT reads as INT8: codes above 127 are silently clipped. "
                "Quantise with `format='tensorrt'`, never through NNCF's ONNX output.",
            )
        elif kind == INT32:
            yield Finding("int32 bias", node.name, f"{node.op_type} is int32 (a quantised bias). Keep biases in float.")
        elif kind not in (INT8, None):
            yield Finding("int8", node.name, f"{node.op_type} has the ONNX type {kind}, not INT8. Quantise it again.")


def _zero_points(model: Any) -> Iterator[Finding]:
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    to_array = require("onnx.numpy_helper", "export").to_array
    for node in _quantisers(model):
        if len(node.input) < 3 or not node.input[2]:
            continue
        tensor = constants.get(node.input[2])
        if tensor is None or np.any(to_array(tensor)):
            found = "computed" if tensor is None else f"{int(np.max(np.abs(to_array(tensor).astype(int))))}"
            yield Finding(
                "zero point",
                node.name,
                f"{node.op_type} has a zero point that is {found}; it must be 0: symmetric INT8.",
            )


def _indices(model: Any) -> Iterator[Finding]:
    for node in model.graph.node:
        if node.op_type == "MaxPool" and len(node.output) > 1 and node.output[1]:
            yield Finding(
                "indices", node.name, "MaxPool with an index output is not supported. Upsample without indices."
            )


def _operations(model: Any) -> Iterator[Finding]:
    for node in model.graph.node:
        if node.op_type in UNSUPPORTED or node.domain not in ("", "ai.onnx"):
            what = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            todo = INSTEAD.get(
                node.op_type, "Replace that layer, or run the network with `format='openvino'` or `'onnx'`."
            )
            yield Finding("operation", node.name, f"TensorRT's parser has no {what}. {todo}")


def _quantisers(model: Any) -> list[Any]:
    return [node for node in model.graph.node if node.op_type in (Q, DQ)]


def _quantised_kind(model: Any, node: Any) -> int | None:
    """ONNX type of the quantised side; None when the graph does not say."""
    if len(node.input) > 2 and node.input[2]:
        return _kind(model, node.input[2])
    if node.op_type == Q:
        return UINT8  # the default of the operator
    return _kind(model, node.input[0])


def _kind(model: Any, name: str) -> int | None:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return int(tensor.data_type)
    maker = map_makers(model.graph).get(name)
    if maker is not None and maker.op_type == "Constant":
        return next((int(attribute.t.data_type) for attribute in maker.attribute if attribute.name == "value"), None)
    if maker is not None and maker.op_type == Q:
        return _quantised_kind(model, maker)
    return None
