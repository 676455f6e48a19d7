"""Somebody else's graph takes no more memory than is free, and no more time than a person waits."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.onnx_file import open_onnx
from edgeseg.runtime.engines.run_limits import limit_memory

PICTURE = np.zeros((1, 3, 32, 32), np.float32)


def network(nodes: list[Any], *tensors: Any) -> onnx.ModelProto:
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "k", "h", "w"])
    graph = helper.make_graph(nodes, "net", [given], [result], list(tensors))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_picture_that_would_fill_the_machine_is_one_sentence() -> None:
    scales = numpy_helper.from_array(np.array([1, 1, 5000, 5000], np.float32), "s")  # 0.3 TB
    forward = make_forward(network([helper.make_node("Resize", ["x", "", "s"], ["y"])], scales))
    with pytest.raises(ArtifactError, match="ONNX Runtime cannot run this network"):
        forward(PICTURE)


def test_a_network_that_does_not_end_in_time_is_stopped() -> None:
    kernel = numpy_helper.from_array(np.zeros((3, 3, 129, 129), np.float32), "k")
    nodes = [
        helper.make_node("Conv", [f"t{at}" if at else "x", "k"], [f"t{at + 1}" if at < 199 else "y"], pads=[64] * 4)
        for at in range(200)
    ]
    forward = make_forward(network(nodes, kernel), limit_s=0.5)
    start = time.monotonic()
    with pytest.raises(ArtifactError, match=r"stopped after 0\.5 s on one input \[1, 3, 32, 32\]"):
        forward(PICTURE)
    assert time.monotonic() - start < 20


def test_a_limit_is_gone_afterwards_and_no_lower_one_is_raised() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limit_memory():
        inside = resource.getrlimit(resource.RLIMIT_AS)[0]
        assert inside != resource.RLIM_INFINITY
        with limit_memory():
            assert resource.getrlimit(resource.RLIMIT_AS)[0] <= inside
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_name_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    data = network([helper.make_node("Fancy", ["x"], ["y"])]).SerializeToString()
    (tmp_path / "net.onnx").write_bytes(data.replace(b"Fancy", b"\xff\xfency"))
    with pytest.raises(ArtifactError, match="not UTF-8 text"):
        open_onnx(tmp_path / "net.onnx")
