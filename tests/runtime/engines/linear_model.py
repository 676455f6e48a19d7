"""A one-layer network whose answer numpy can give too: every pixel is classified by its colour alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.image import UInt8, normalisation, normalise
from edgeseg.runtime.engines.engine import confidence_shape
from edgeseg.spec import ModelSpec

Float32 = npt.NDArray[np.float32]
ArtifactMaker = Callable[..., Artifact]


def weights(spec: ModelSpec) -> tuple[Float32, Float32]:
    """(K, C) and (K,), the same for the same spec."""
    random = np.random.default_rng(7)
    shape = (spec.logit_channels, spec.channels)
    return random.normal(0, 2, shape).astype(np.float32), random.normal(0, 1, shape[0]).astype(np.float32)


def reference(fitted: UInt8, spec: ModelSpec) -> tuple[UInt8, UInt8]:
    """Labels and confidence of one fitted image, by numpy."""
    weight, bias = weights(spec)
    logits = np.einsum("kc,chw->khw", weight, normalise(fitted, spec)) + bias[:, None, None]
    if spec.task == "binary":
        confidence = _to_uint8(1 / (1 + np.exp(-logits[0])))
        return (confidence >= 128).astype(np.uint8), confidence
    if spec.task == "multilabel":
        confidence = _to_uint8(1 / (1 + np.exp(-logits)))
        bits = 1 << np.arange(spec.num_classes)
        return ((confidence >= 128) * bits[:, None, None]).sum(0).astype(np.uint8), confidence
    powers = np.exp(logits - logits.max(0))
    return logits.argmax(0).astype(np.uint8), _to_uint8((powers / powers.sum(0)).max(0))


def _to_uint8(share: Any) -> UInt8:
    return np.asarray(np.round(255 * share), np.uint8)


def artifact(parent: Path, model_format: str, spec: ModelSpec, confidence: bool) -> Artifact:
    """A real artifact of it, float32."""
    import onnx
    import openvino

    outputs = ["labels", "confidence"] if confidence else ["labels"]
    manifest = {"name": "tiny", "precision": "fp32", "format": model_format, "outputs": outputs, "spec": spec}
    target = artifact_dir(parent, "tiny", "fp32", model_format)
    with writing_artifact(target, manifest) as folder:
        model = onnx_model(spec, confidence)
        if model_format == "onnx":
            onnx.save(model, folder / "model.onnx")
        else:
            onnx.save(model, parent / "tiny.onnx")
            ir = openvino.convert_model(parent / "tiny.onnx")
            openvino.save_model(ir, folder / "model.xml", compress_to_fp16=False)
    return Artifact.open(target)


def onnx_model(spec: ModelSpec, confidence: bool) -> Any:
    from onnx import TensorProto, checker, helper, numpy_helper

    size = [1, spec.height, spec.width]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [*size, spec.channels])
    names = ["labels", "confidence"] if confidence else ["labels"]
    shapes = {"labels": size, "confidence": [1, *confidence_shape(spec)]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.UINT8, shapes[name]) for name in names]
    nodes = [*_logit_nodes(helper), *_output_nodes(helper, spec, confidence)]
    constants = [numpy_helper.from_array(value, name) for name, value in _constants(spec).items()]
    graph = helper.make_graph(nodes, "linear", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def _constants(spec: ModelSpec) -> dict[str, Any]:
    """Normalisation folded into the weights; the input is BGR whatever the network was trained on."""
    weight, bias = weights(spec)
    scale, shift = normalisation(spec)
    folded = weight * scale
    if spec.color_order == "rgb":
        folded = folded[:, ::-1]
    return {
        "weight": np.ascontiguousarray(folded[:, :, None, None]),
        "bias": bias + weight @ shift,
        "full": np.float32(255),
        "half": np.float32(127.5),
        "bits": np.float32(2) ** np.arange(spec.num_classes, dtype=np.float32).reshape(1, -1, 1, 1),
        "axis": np.array([1], np.int64),
    }


def _logit_nodes(helper: Any) -> list[Any]:
    from onnx import TensorProto

    return [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weight", "bias"], ["logits"]),
    ]


def _output_nodes(helper: Any, spec: ModelSpec, confidence: bool) -> list[Any]:
    from onnx import TensorProto

    if spec.task == "binary":
        share = [helper.make_node("Sigmoid", ["logits"], ["p4"])]
        labels = [helper.make_node("GreaterOrEqual", ["scaled", "half"], ["wide"])]
    elif spec.task == "multilabel":
        share = [helper.make_node("Sigmoid", ["logits"], ["p4"])]
        labels = [
            helper.make_node("GreaterOrEqual", ["scaled", "half"], ["shown"]),
            helper.make_node("Cast", ["shown"], ["as_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["as_float", "bits"], ["weighed"]),
            helper.make_node("ReduceSum", ["weighed", "axis"], ["wide"], keepdims=0),
        ]
    else:
        share = [
            helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
            helper.make_node("ReduceMax", ["shares"], ["p4"], axes=[1], keepdims=1),
        ]
        labels = [helper.make_node("ArgMax", ["logits"], ["wide"], axis=1, keepdims=0)]
    squeeze = [
        helper.make_node("Mul", ["p4", "full"], ["scaled4"]),
        helper.make_node("Reshape", ["scaled4", "size"], ["scaled"]),
    ]
    size = helper.make_node("Constant", [], ["size"], value_ints=[1, *confidence_shape(spec)])
    ends = [helper.make_node("Cast", ["wide"], ["labels"], to=TensorProto.UINT8)]
    if confidence:
        ends += [
            helper.make_node("Round", ["scaled"], ["rounded"]),
            helper.make_node("Cast", ["rounded"], ["confidence"], to=TensorProto.UINT8),
        ]
    return [size, *share, *squeeze, *labels, *ends]
