"""ArgMax without TopK: the first of equal scores, whatever the layout, the precision and the number of classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import openvino.opset13 as operations
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.graphs.ir_argmax import ONE_BY_ONE, replace_argmax
from edgeseg.export.graphs.ir_from_onnx import ir_from_onnx
from edgeseg.graphs.ir_file import logits_output, read_ir
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.spec import ModelSpec

Build = Callable[[Any], Any]


def plain(scores: Any) -> Any:
    return scores


def blocked(scores: Any) -> Any:
    """As a convolution leaves them: channels in blocks."""
    classes = scores.get_partial_shape()[1].get_length()
    same = np.eye(classes, dtype=np.float32)[:, :, None, None]
    return operations.convolution(scores, operations.constant(same), [1, 1], [0, 0], [0, 0], [1, 1])


def channels_last(scores: Any) -> Any:
    last = operations.transpose(scores, operations.constant([0, 2, 3, 1]))
    return operations.transpose(last, operations.constant([0, 3, 1, 2]))


def argmax_model(classes: int, layout: Build) -> Any:
    scores = operations.parameter([1, classes, 9, 33], np.float32)
    best = operations.topk(layout(scores), operations.constant(np.int64(1)), 1, "max", "value", stable=True).output(1)
    label = operations.squeeze(best, operations.constant([1]), name="edgeseg/ArgMax_best")
    return openvino.Model([operations.result(operations.convert(label, "u8"))], [scores], "argmax")


@pytest.mark.parametrize("precision", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("layout", [plain, blocked, channels_last])
@pytest.mark.parametrize("classes", [2, 3, 11, 16, 33, 150, 256])
def test_the_first_of_equal_scores_is_the_label(classes: int, layout: Build, precision: str) -> None:
    model = argmax_model(classes, layout)
    assert replace_argmax(model) == 1
    assert "TopK" not in {node.get_type_name() for node in model.get_ops()}
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    random = np.random.default_rng(classes)
    for values in (1, 2, 5, 100):  # few values: many are equal; one: all are
        scores = random.integers(0, values, (1, classes, 9, 33)).astype(np.float32) - values // 2
        assert np.array_equal(compiled(scores)[0], scores.argmax(1))


def test_a_topk_of_the_network_itself_is_left_alone() -> None:
    scores = operations.parameter([1, 3, 4, 4], np.float32)
    best = operations.topk(scores, operations.constant(np.int64(1)), 1, "max", "value").output(1)
    squeezed = operations.squeeze(best, operations.constant([1]), name="net/own")
    model = openvino.Model([operations.result(squeezed)], [scores], "net")
    assert replace_argmax(model) == 0
    assert "TopK" in {node.get_type_name() for node in model.get_ops()}


def test_an_artifact_has_no_topk_and_its_logits_are_found(tmp_path: Path) -> None:
    weights = np.eye(3, dtype=np.float32)[:, :, None, None]
    net = helper.make_model(
        helper.make_graph(
            [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
            [numpy_helper.from_array(weights, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    spec = ModelSpec("multiclass", ("blue", "green", "red"), 8, 8, mean=(0, 0, 0), std=(1, 1, 1), color_order="bgr")
    onnx.save(deployed_graph(net, spec), str(tmp_path / "model.onnx"))
    ir_from_onnx(tmp_path / "model.onnx", tmp_path / "model.xml", spec, ("labels",))
    model = read_ir(tmp_path / "model.xml")
    assert "TopK" not in {node.get_type_name() for node in model.get_ops()}
    assert logits_output(model).get_node().get_type_name() == "Convolution"
    picture = np.random.default_rng(0).integers(0, 3, (1, 8, 8, 3), np.uint8)  # of few values: many are equal
    labels = shared_core().compile_model(model, "CPU")(picture)["labels"]
    assert np.array_equal(labels, picture.argmax(3))


@pytest.mark.parametrize("classes", [3, 15, 16])
def test_confidence_is_that_of_onnx_runtime_by_planes_and_by_channels(classes: int, tmp_path: Path) -> None:
    weights = np.random.default_rng(classes).integers(-2, 3, (classes, 3, 1, 1)).astype(np.float32)
    weights[1] = weights[0]  # of equal scores none is sure
    net = helper.make_model(
        helper.make_graph(
            [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 9])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, classes, 8, 9])],
            [numpy_helper.from_array(weights, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    names = tuple(f"class {index}" for index in range(classes))
    spec = ModelSpec("multiclass", names, 8, 9, mean=(0, 0, 0), std=(1, 1, 1), color_order="bgr", threshold=0.5)
    deployed = deployed_graph(net, spec)
    onnx.save(deployed, str(tmp_path / "model.onnx"))
    ir_from_onnx(tmp_path / "model.onnx", tmp_path / "model.xml", spec, ("labels", "confidence"))
    picture = np.random.default_rng(0).integers(0, 256, (1, 8, 9, 3), np.uint8)
    session = onnxruntime.InferenceSession(deployed.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, confidence = session.run(["labels", "confidence"], {"image": picture})
    model = read_ir(tmp_path / "model.xml")
    kinds = {node.get_type_name() for node in model.get_ops()}
    assert ("Split" in kinds) == (classes <= ONE_BY_ONE)
    found = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture)
    assert np.array_equal(found["labels"], labels)
    assert len(np.unique(confidence)) > 3
    assert np.abs(found["confidence"].astype(int) - confidence).max() <= 1
