"""Devices of ONNX Runtime: only the CPU is here, and the others are sentences."""

from __future__ import annotations

from typing import Any

import pytest

from edgeseg.errors import EnvironmentFault, UserError
from edgeseg.runtime.engines.ort_providers import PROVIDERS, expect_provider, find_providers, list_ort_devices
from edgeseg.runtime.engines.ort_session import open_session


def test_the_cpu_is_always_here() -> None:
    assert find_providers("cpu") == ["CPUExecutionProvider"]
    assert list_ort_devices()[0] == "CPU"


@pytest.mark.parametrize("one", PROVIDERS[1:], ids=lambda one: one.device)
def test_a_provider_that_is_not_here_is_said_with_what_brings_it(one: Any) -> None:
    if one.device in list_ort_devices():
        pytest.skip(f"this ONNX Runtime has {one.device}")
    with pytest.raises(EnvironmentFault, match=rf"computes on CPU.* and not on {one.device}") as caught:
        find_providers(one.device.lower())
    assert f"pip install {one.package}" in str(caught.value) or "a build of ONNX Runtime" in str(caught.value)


def test_a_device_that_nobody_has_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"no device 'abacus'; there is CPU, CUDA, TENSORRT"):
        find_providers("abacus")


def test_a_session_that_computes_elsewhere_than_asked_is_refused() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx makes the graph of this test")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    session = open_session(model.SerializeToString())
    expect_provider(session, "CPU")
    with pytest.raises(EnvironmentFault, match="asked for CUDA and computes on CPU"):
        expect_provider(session, "cuda:0")
