"""The deployed graph computes what docs/architecture.md says, in both engines."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import UserError
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.graphs.ir_from_onnx import ir_from_onnx
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.foreign_net import strip_deployment
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.spec import ModelSpec

H, W = 16, 24
GREY = {"mean": (0.5,), "std": (0.25,)}
ALL = ["labels", "confidence", "logits"]


def spec_of(task: str, color_order: str, threshold: float | None) -> ModelSpec:
    classes = ("background", "cell") if task == "binary" else ("road", "sky", "car", "tree")
    norm = GREY if color_order == "gray" else {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.1)}
    return ModelSpec(task, classes, H, W, color_order, threshold=threshold, **norm)


def pixelwise_net(spec: ModelSpec, opset: int = 17) -> tuple[onnx.ModelProto, np.ndarray]:
    """A 1x1 convolution and its weights (K, C)."""
    weights = np.random.default_rng(3).normal(0, 1, (spec.logit_channels, spec.channels)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, spec.channels, H, W])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, spec.logit_channels, H, W])],
        [numpy_helper.from_array(weights[:, :, None, None], "w")],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8 if opset < 19 else 9), weights


def expected(image: np.ndarray, weights: np.ndarray, spec: ModelSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probability and logits by the textbook, in float64."""
    pixels = image[0][..., ::-1] if spec.color_order == "rgb" else image[0]
    normal = (pixels / 255 - np.array(spec.mean)) / np.array(spec.std)
    logits = np.einsum("hwc,kc->khw", normal, weights.astype(np.float64))
    if spec.task == "binary":
        p = 1 / (1 + np.exp(-logits[0]))
        return (p >= (spec.threshold or 0.5)).astype(np.uint8), p, logits
    p = np.exp(logits - logits.max(0)) / np.exp(logits - logits.max(0)).sum(0)
    return p.argmax(0).astype(np.uint8), p.max(0), logits


def image_for(spec: ModelSpec) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (1, H, W, spec.channels), np.uint8)


def run_ort(model: onnx.ModelProto, image: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image}), strict=True))


def run_openvino(model: onnx.ModelProto, image: np.ndarray, spec: ModelSpec, tmp_path) -> dict[str, np.ndarray]:
    onnx.save_model(model, str(tmp_path / "model.onnx"))
    ir_from_onnx(tmp_path / "model.onnx", tmp_path / "model.xml", spec, ALL)
    compiled = shared_core().compile_model(tmp_path / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result = compiled(image)
    return {name: result[name].copy() for name in ALL}


def check(found: dict[str, np.ndarray], image: np.ndarray, weights: np.ndarray, spec: ModelSpec) -> None:
    labels, probability, logits = expected(image, weights, spec)
    assert found["labels"].dtype == np.uint8
    assert found["labels"].shape == (1, H, W)
    np.testing.assert_allclose(found["logits"][0], logits, atol=1e-4)
    np.testing.assert_array_equal(found["labels"][0], labels)
    difference = np.abs(found["confidence"][0].astype(int) - np.round(255 * probability))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("color_order", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize(("task", "threshold"), [("multiclass", 0.4), ("binary", None), ("binary", 0.8)])
def test_both_engines_match_the_textbook(task, color_order, threshold, tmp_path):
    spec = spec_of(task, color_order, threshold)
    net, weights = pixelwise_net(spec)
    model, image = deployed_graph(net, spec, ALL), image_for(spec)
    check(run_ort(model, image), image, weights, spec)
    check(run_openvino(model, image, spec, tmp_path), image, weights, spec)


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_confidence_is_written_for_every_opset(opset):
    spec = spec_of("multiclass", "rgb", 0.4)
    net, weights = pixelwise_net(spec, opset)
    image = image_for(spec)
    check(run_ort(deployed_graph(net, spec, ALL), image), image, weights, spec)


def test_the_binary_threshold_is_the_logit_of_the_probability():
    spec = spec_of("binary", "gray", 0.8)
    model = deployed_graph(pixelwise_net(spec)[0], spec)
    limit = next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "edgeseg/limit")
    assert limit == np.float32(math.log(4))


@pytest.mark.parametrize(
    ("task", "threshold", "asked", "given"),
    [
        ("multiclass", None, None, ["labels"]),
        ("multiclass", 0.5, None, ["labels", "confidence"]),
        ("binary", None, None, ["labels", "confidence"]),
        ("multiclass", None, ["logits", "labels"], ["labels", "logits"]),
    ],
)
def test_outputs_are_what_the_spec_needs_and_what_was_asked(task, threshold, asked, given):
    spec = spec_of(task, "rgb", threshold)
    model = deployed_graph(pixelwise_net(spec)[0], spec, asked)
    assert [output.name for output in model.graph.output] == given


@pytest.mark.parametrize("asked", [["confidence"], ["confidence", "logits"], ["labels", "boxes"]])
def test_impossible_outputs_are_refused(asked):
    spec = spec_of("multiclass", "rgb", None)
    with pytest.raises(UserError, match="`outputs` takes labels"):
        deployed_graph(pixelwise_net(spec)[0], spec, asked)


def test_the_spec_travels_in_the_metadata():
    spec = spec_of("multiclass", "bgr", 0.25)
    model = deployed_graph(pixelwise_net(spec)[0], spec)
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert ModelSpec.from_json(found["edgeseg.spec"]) == spec


def test_names_of_the_network_cannot_collide_with_ours():
    spec = spec_of("multiclass", "bgr", 0.25)
    net, weights = pixelwise_net(spec)
    for old, new in (("x", "image"), ("y", "labels"), ("w", "confidence")):
        _rename(net, old, new)
    image = image_for(spec)
    check(run_ort(deployed_graph(net, spec, ALL), image), image, weights, spec)


def test_remarks_of_the_training_machine_are_dropped():
    spec = spec_of("multiclass", "rgb", None)
    net, _ = pixelwise_net(spec)
    net.graph.node[0].doc_string = "/home/somebody/secret.py"
    net.graph.node[0].metadata_props.add(key="stack", value="/home/somebody/secret.py")
    assert b"secret" not in deployed_graph(net, spec).SerializeToString()


def test_the_network_can_be_taken_out_again():
    spec = spec_of("multiclass", "rgb", 0.5)
    net, _ = pixelwise_net(spec)
    values = np.random.default_rng(0).normal(size=(1, 3, H, W)).astype(np.float32)
    again = strip_deployment(deployed_graph(net, spec))
    np.testing.assert_array_equal(make_forward(again)(values), make_forward(net)(values))


def _rename(net: onnx.ModelProto, old: str, new: str) -> None:
    for entry in (*net.graph.input, *net.graph.output, *net.graph.initializer):
        if entry.name == old:
            entry.name = new
    for node in net.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
