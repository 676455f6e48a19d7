"""float16 by casting: what is cast, what stays in float32 and why, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.half_from_float import half_graph
from edgeseg.graphs.onnx_graph import load_graph

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
SIDES = [1, 2, 8, 8]


def model_of(nodes: Sequence[Any], constants: dict[str, Any], folder: Path, opset: int = 17) -> onnx.ModelProto:
    """A graph from ``x`` to ``y``, loaded as the export loads it."""
    infos = [helper.make_tensor_value_info(name, FLOAT, SIDES) for name in ("x", "y")]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "g", [infos[0]], [infos[1]], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {"edgeseg.spec": "{}", "edgeseg.engine": "tensorrt"})
    onnx.checker.check_model(model, full_check=False)
    onnx.save_model(model, str(folder / "m.onnx"))
    return load_graph(folder / "m.onnx")


def conv(name: str, source: str, result: str, weight: str) -> Any:
    return helper.make_node("Conv", [source, weight], [result], name=f"net/{name}", pads=[1, 1, 1, 1])


def finish(source: str) -> Any:
    return helper.make_node("Identity", [source], ["y"], name="edgeseg/Identity_y")


def weight(value: float = 0.1) -> Any:
    return np.random.default_rng(0).normal(0, value, (2, 2, 3, 3)).astype(np.float32)


def kinds(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor, as ONNX itself infers it."""
    found = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    known = (*found.graph.value_info, *found.graph.output, *found.graph.input)
    return {
        **{info.name: info.type.tensor_type.elem_type for info in known},
        **{tensor.name: tensor.data_type for tensor in found.graph.initializer},
    }


def run(model: onnx.ModelProto, x: Any) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})[0]


def test_a_layer_computes_in_float16_between_float32_ends(tmp_path: Path) -> None:
    model = model_of([conv("c", "x", "c", "w"), finish("c")], {"w": weight()}, tmp_path)
    half, kept = half_graph(model)
    found = kinds(half)
    assert (found["x"], found["y"], found["c"]) == (FLOAT, FLOAT, HALF)
    assert kept == []
    assert [tensor.data_type for tensor in half.graph.initializer] == [HALF]
    assert {entry.key for entry in half.metadata_props} == {"edgeseg.spec", "edgeseg.engine"}
    assert kinds(model)["c"] == FLOAT, "the given model was changed"
    x = np.random.default_rng(1).normal(size=SIDES).astype(np.float32)
    np.testing.assert_allclose(run(half, x), run(model, x), atol=2e-3)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_only_interpolation_stays_in_float32(mode: str, tmp_path: Path) -> None:
    nodes = [
        conv("c", "x", "c", "w"),
        helper.make_node("Resize", ["c", "", "up"], ["u"], name="net/up", mode=mode),
        helper.make_node("Resize", ["u", "", "down"], ["d"], name="net/down", mode=mode),
        finish("d"),
    ]
    scales = {name: np.array([1, 1, by, by], np.float32) for name, by in (("up", 2.0), ("down", 0.5))}
    half, kept = half_graph(model_of(nodes, {"w": weight(), **scales}, tmp_path))
    wanted = [("net/up", "it interpolates"), ("net/down", "it interpolates")] if mode == "linear" else []
    assert [(one.node, one.reason) for one in kept] == wanted
    assert kinds(half)["d"] == (FLOAT if mode == "linear" else HALF)
    assert {tensor.name: tensor.data_type for tensor in half.graph.initializer}["up"] == FLOAT


def test_weights_that_do_not_fit_stay_in_float32(tmp_path: Path) -> None:
    nodes = [conv("big", "x", "b", "wb"), conv("small", "b", "s", "ws"), finish("s")]
    model = model_of(nodes, {"wb": np.full((2, 2, 3, 3), 1e5, np.float32), "ws": weight(1e-6)}, tmp_path)
    half, kept = half_graph(model)
    assert [(one.node, one.reason) for one in kept] == [("net/big", "float16 cannot hold its weights")]
    assert (kinds(half)["b"], kinds(half)["s"]) == (FLOAT, HALF)


def test_one_constant_serves_both_types(tmp_path: Path) -> None:
    nodes = [
        conv("c", "x", "c", "w"),
        helper.make_node("Mul", ["c", "k"], ["m"], name="net/mul"),
        helper.make_node("Pow", ["m", "two"], ["p"], name="net/pow"),
        helper.make_node("Add", ["p", "k"], ["a"], name="edgeseg/add"),
        finish("a"),
    ]
    half, kept = half_graph(model_of(nodes, {"w": weight(), "k": np.float32(3), "two": np.float32(2)}, tmp_path))
    assert [one.operation for one in kept] == ["Pow"]
    assert {t.name: t.data_type for t in half.graph.initializer} == {
        "k": FLOAT,
        "two": FLOAT,
        "w/half": HALF,
        "k/half": HALF,
    }
    assert (kinds(half)["m"], kinds(half)["p"], kinds(half)["a"]) == (HALF, FLOAT, FLOAT)


class TestQuantised:
    def nodes(self) -> list[Any]:
        return [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="net/q"),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dx"], name="net/dx"),
            helper.make_node("DequantizeLinear", ["w8", "sw", "zw"], ["dw"], name="net/dw", axis=0),
            conv("c", "dx", "c", "dw"),
            finish("c"),
        ]

    def model(self, folder: Path, weight_scale: float = 0.01) -> onnx.ModelProto:
        random = np.random.default_rng(3)
        constants = {
            "s": np.float32(0.02),
            "z": np.int8(0),
            "w8": random.integers(-127, 128, (2, 2, 3, 3), dtype=np.int8),
            "sw": np.array([0.01, weight_scale], np.float32),
            "zw": np.zeros(2, np.int8),
        }
        return model_of(self.nodes(), constants, folder)

    def test_scales_become_float16_at_opset_19(self, tmp_path: Path) -> None:
        model = self.model(tmp_path)
        half, kept = half_graph(model)
        found = kinds(half)
        assert kept == []
        assert half.opset_import[0].version == 19
        assert {found[name] for name in ("dx", "dw", "c")} == {HALF}
        assert found["q"] == TensorProto.INT8
        x = np.random.default_rng(1).normal(size=SIDES).astype(np.float32)
        wanted = run(model, x)
        assert np.abs(run(half, x) - wanted).max() < 0.01 * np.abs(wanted).max()

    def test_a_scale_that_float16_would_lose_keeps_its_whole_layer_in_float32(self, tmp_path: Path) -> None:
        """In float16 a scale of 1e-8 is zero, and all of that channel would be."""
        half, kept = half_graph(with_another_layer(self.model(tmp_path, 1e-8), tmp_path))
        assert {one.node: one.reason for one in kept} == {
            "net/dw": "float16 cannot hold its scale",
            **dict.fromkeys(("net/c", "net/dx", "net/q"), "it shares a scale with a layer in float32"),
        }
        assert {kinds(half)[name] for name in ("dx", "dw", "c")} == {FLOAT}
        assert kinds(half)["more"] == HALF


def with_another_layer(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    end = next(node for node in model.graph.node if node.name.startswith("edgeseg/"))
    end.input[0] = "more"
    relu = helper.make_node("Relu", ["c"], ["more"], name="net/relu")
    model.graph.node.insert(len(model.graph.node) - 1, relu)
    del model.graph.value_info[:]
    onnx.save_model(model, str(folder / "more.onnx"))
    return load_graph(folder / "more.onnx")


def test_a_network_of_which_nothing_can_be_cast_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Softmax", ["x"], ["s"], name="net/softmax", axis=1), finish("s")]
    with pytest.raises(ArtifactError, match="No layer of this network can be float16"):
        half_graph(model_of(nodes, {}, tmp_path))


def test_subgraphs_are_refused(tmp_path: Path) -> None:
    out = helper.make_tensor_value_info("o", FLOAT, SIDES)
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["o"])], "b", [], [out])
    nodes = [
        helper.make_node("If", ["yes"], ["i"], name="net/if", then_branch=branch, else_branch=branch),
        finish("i"),
    ]
    with pytest.raises(ArtifactError, match=r"net/if \(If\) has a subgraph"):
        half_graph(model_of(nodes, {"yes": np.array(True)}, tmp_path))
