"""Every rule on the smallest graph that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ArtifactError, UserError
from edgeseg.graphs.tensorrt_lint import expect_clean, lint

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


def model(
    nodes: Sequence[Any], constants: dict[str, Any] | None = None, kind: int = FLOAT, opset: int = 17, side: Any = 8
) -> Any:
    """A graph from ``x`` to ``y``."""
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    ends = [helper.make_tensor_value_info(name, kind, [1, 1, side, side]) for name in ("x", "y")]
    graph = helper.make_graph(list(nodes), "graph", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def pair(kind: type[np.generic], zero: int = 0, scale: type[np.generic] = np.float32, opset: int = 17) -> Any:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], name="quantise"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], name="dequantise"),
    ]
    return model(nodes, {"scale": scale(0.1), "zero": kind(zero)}, opset=opset)


def rules(found: Any) -> set[tuple[str, str]]:
    return {(finding.rule, finding.node) for finding in found}


def test_signed_symmetric_pairs_are_clean() -> None:
    assert lint(pair(np.int8)) == []
    expect_clean(pair(np.int8))


def test_uint8_with_zero_point_zero_is_found_at_both_nodes() -> None:
    """The silent one: what NNCF's ONNX output has after every ReLU."""
    assert rules(lint(pair(np.uint8))) == {("uint8 Q/DQ", "quantise"), ("uint8 Q/DQ", "dequantise")}


def test_quantising_without_a_zero_point_is_uint8_by_default() -> None:
    node = helper.make_node("QuantizeLinear", ["x", "scale"], ["q"], name="bare")
    back = helper.make_node("DequantizeLinear", ["q", "scale"], ["y"], name="back")
    assert rules(lint(model([node, back], {"scale": np.float32(1)}))) == {
        ("uint8 Q/DQ", "bare"),
        ("uint8 Q/DQ", "back"),
    }


def test_a_zero_point_that_is_not_zero_is_named_with_its_value() -> None:
    found = lint(pair(np.int8, -7))
    assert rules(found) == {("zero point", "quantise"), ("zero point", "dequantise")}
    assert "a zero point that is 7; it must be 0" in str(found[0])


def test_a_quantised_bias_is_found() -> None:
    node = helper.make_node("DequantizeLinear", ["b", "scale"], ["y"], name="bias")
    found = lint(model([node], {"b": np.zeros((1, 1, 8, 8), np.int32), "scale": np.float32(1)}))
    assert rules(found) == {("int32 bias", "bias")}


@pytest.mark.parametrize(
    ("opset", "version", "clean"),
    [(17, "8.6", True), (18, "8.6", False), (20, "10.3", True), (21, "10.3", False), (21, "10.13", True)],
)
def test_the_opset_has_to_suit_the_version(opset: int, version: str, clean: bool) -> None:
    relu = model([helper.make_node("Relu", ["x"], ["y"], name="relu")], opset=opset)
    assert rules(lint(relu, version)) == (set() if clean else {("opset", "graph")})


@pytest.mark.parametrize(("opset", "version", "clean"), [(17, "10", False), (19, "10", True), (17, "8.6", False)])
def test_half_precision_scales_need_opset_19_and_tensorrt_10(opset: int, version: str, clean: bool) -> None:
    found = lint(pair(np.int8, scale=np.float16, opset=opset), version)
    assert rules(found) == (set() if clean else {("fp16 scales", "quantise")})


@pytest.mark.parametrize("version", ["8.5", "7", "ten"])
def test_versions_that_cannot_be_meant_are_refused(version: str) -> None:
    with pytest.raises(UserError, match=r"8\.6"):
        lint(pair(np.int8), version)


def test_an_index_output_of_max_pool_is_found() -> None:
    pool = helper.make_node("MaxPool", ["x"], ["y", "at"], name="pool", kernel_shape=[1, 1])
    assert rules(lint(model([pool]))) == {("indices", "pool")}
    pool.output.pop()
    assert lint(model([pool])) == []


def test_a_dynamic_side_is_found_at_input_and_output() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"], name="relu")
    found = lint(model([relu], side="side"))
    assert rules(found) == {("shapes", "x"), ("shapes", "y")}
    assert "['side', 'side']" in str(found[0]).replace("1, 1, ", "")


@pytest.mark.parametrize(("op", "domain"), [("MaxUnpool", ""), ("QLinearConv", ""), ("QLinearAdd", "com.microsoft")])
def test_operations_that_the_parser_lacks_are_named(op: str, domain: str) -> None:
    node = helper.make_node(op, ["x", "x"], ["y"], name="odd", domain=domain)
    (finding,) = lint(model([node]))
    assert (finding.rule, finding.node) == ("operation", "odd")
    assert op in finding.sentence


def test_uint8_is_only_cast() -> None:
    direct = helper.make_node("Transpose", ["x"], ["y"], name="turn", perm=[0, 1, 3, 2])
    assert rules(lint(model([direct], kind=UINT8))) == {("uint8", "turn")}
    cast = helper.make_node("Cast", ["x"], ["f"], name="in", to=FLOAT)
    back = helper.make_node("Cast", ["f"], ["y"], name="out", to=UINT8)
    assert lint(model([cast, back], kind=UINT8)) == []


def test_findings_come_all_at_once_as_one_error() -> None:
    with pytest.raises(ArtifactError, match=r"(?s)quantise: .*\n  dequantise: "):
        expect_clean(pair(np.uint8))


@pytest.mark.parametrize("op", ["MaxUnpool", "QLinearConv", "DynamicQuantizeLinear", "Det", "Unique", "BitShift"])
def test_the_real_parser_lacks_them_too(op: str) -> None:
    """TensorRT-RTX has the newest parser; when it learns one of these, take it off the list."""
    tensorrt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
    logger = tensorrt.Logger(tensorrt.Logger.INTERNAL_ERROR)
    network = tensorrt.Builder(logger).create_network(0)
    assert not tensorrt.OnnxParser(network, logger).supports_operator(op)
