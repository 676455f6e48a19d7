"""ONNX files from elsewhere: accepted with a spec, refused with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ArtifactError, EdgesegError, SpecError
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.graphs.opset import read_opset
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.foreign_net import softmax
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.source.onnx_file import refuse_rounds
from edgeseg.export.source.source_net import SourceNet
from edgeseg.export.specs.foreign_spec import SpecFlags, class_names

H, W = 16, 24
FLAGS = SpecFlags(classes=("a", "b", "c"), mean=(0.5,) * 3, std=(0.2,) * 3, color_order="rgb")
BINARY = SpecFlags(classes=("background", "cell"), mean=(0.5,) * 3, std=(0.2,) * 3, color_order="rgb")


def weights(outputs: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (outputs, 3, 1, 1)).astype(np.float32)


IDENTITY = (helper.make_node("Identity", ["y"], ["out"]),)


def tensor(name: str, shape: Sequence[object], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def write(
    path: Path,
    tail: Sequence[onnx.NodeProto] = IDENTITY,
    *,
    opset: int = 17,
    channels: int = 3,
    inputs: Sequence[onnx.ValueInfoProto] = (tensor("x", (1, 3, H, W)),),
    outputs: Sequence[onnx.ValueInfoProto] = (),
) -> Path:
    """A 1x1 convolution ``x -> y`` followed by ``tail``, whose last result is called ``out``."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"]), *tail],
        "net",
        inputs,
        outputs or [tensor("out", (1, channels, H, W))],
        [numpy_helper.from_array(weights(channels), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4 if opset < 13 else 8)
    onnx.save_model(model, str(path))
    return path


def check(source: SourceNet) -> None:
    """The network that is deployed computes the plain convolution, and so does the reference."""
    values = np.random.default_rng(2).normal(size=(1, 3, H, W)).astype(np.float32)
    logits = np.einsum("nchw,kc->nkhw", values, weights(source.spec.logit_channels)[:, :, 0, 0])
    np.testing.assert_allclose(make_forward(source.proto)(values), logits, atol=1e-4)
    reference = source.forward(values)
    if source.spec.task == "binary":
        np.testing.assert_allclose(reference, logits, atol=1e-3)
    else:
        np.testing.assert_allclose(softmax(reference), softmax(logits), atol=1e-5)


def activated(kind: str, **attributes: int) -> list[onnx.NodeProto]:
    return [helper.make_node(kind, ["y"], ["out"], **attributes)]


def test_a_plain_file_is_taken(tmp_path):
    check(source_net(write(tmp_path / "a.onnx"), FLAGS))


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 18, 20])
def test_any_opset_is_brought_to_17(opset, tmp_path):
    listed = [tensor("x", (1, 3, H, W)), tensor("w", (3, 3, 1, 1))][: 2 if opset < 9 else 1]
    source = source_net(write(tmp_path / "a.onnx", opset=opset, inputs=listed), FLAGS)
    check(source)
    assert read_opset(source.proto) == 17


def test_dynamic_axes_are_fixed_at_imgsz(tmp_path):
    shape = ("n", 3, "h", "w")
    path = write(tmp_path / "a.onnx", inputs=[tensor("x", shape)], outputs=[tensor("out", shape)])
    with pytest.raises(SpecError, match=r"`imgsz=\(H, W\)`"):
        source_net(path, FLAGS)
    check(source_net(path, SpecFlags(**{**vars(FLAGS), "imgsz": (H, W)})))


def test_a_final_softmax_is_taken_off(tmp_path):
    check(source_net(write(tmp_path / "a.onnx", activated("Softmax", axis=1)), FLAGS))


def test_the_softmax_of_old_torch_between_transposes_is_taken_off(tmp_path):
    tail = [
        helper.make_node("Transpose", ["y"], ["t"], perm=[0, 3, 2, 1]),
        helper.make_node("Softmax", ["t"], ["s"], axis=3),
        helper.make_node("Transpose", ["s"], ["out"], perm=[0, 3, 2, 1]),
    ]
    check(source_net(write(tmp_path / "a.onnx", tail, opset=11), FLAGS))


def test_a_final_sigmoid_is_taken_off(tmp_path):
    source = source_net(write(tmp_path / "a.onnx", activated("Sigmoid"), channels=1), BINARY)
    assert source.spec.task == "binary"
    check(source)


def test_a_softmax_over_another_axis_is_refused(tmp_path):
    with pytest.raises(SpecError, match="The Softmax 'out' before the output 'out' does not run over the classes"):
        source_net(write(tmp_path / "a.onnx", activated("Softmax", axis=3)), FLAGS)


def test_probabilities_that_cannot_be_undone_are_refused(tmp_path):
    tail = [helper.make_node("Sigmoid", ["y"], ["s"]), helper.make_node("Sqrt", ["s"], ["out"])]
    with pytest.raises(SpecError, match="looks like probabilities"):
        source_net(write(tmp_path / "a.onnx", tail, channels=1), BINARY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": [tensor("x", (1, 3, H, W)), tensor("z", (1, 3, H, W))]}, "one image input; this file has 2"),
        ({"outputs": [tensor("out", (1, 3, H, W)), tensor("y", (1, 3, H, W))]}, "has 2: .*`logits=NAME`"),
        ({"inputs": [tensor("x", (1, 5, H, W))]}, r"takes 5 channels.*must take 1 or 3 channels"),
        (
            {"inputs": [tensor("x", (1, 3, H, W), TensorProto.INT32)]},
            r"one image: float32, float16 or uint8 \[1, C, H, W",
        ),
        ({"channels": 5}, "gives 5 channel"),
        (
            {
                "tail": [helper.make_node("ArgMax", ["y"], ["out"])],
                "outputs": [tensor("out", (1, 3, H, W), TensorProto.INT64)],
            },
            r"'out' has the shape \[1, 3, 16, 24\].*and labels or one class \[1, H, W\]",
        ),
        (
            {
                "tail": [helper.make_node("MaxPool", ["y"], ["out"], kernel_shape=[4, 4], strides=[4, 4])],
                "outputs": [tensor("out", (1, 3, H // 4, W // 4))],
            },
            "4x6 where the input is 16x24. Give `upsample='bilinear'`",
        ),
    ],
)
def test_graphs_that_are_no_segmentation_network_are_refused(changes, message, tmp_path):
    path = tmp_path / "a.onnx"
    write(path, **changes)
    with pytest.raises(SpecError, match=message):
        source_net(path, FLAGS)


def test_without_a_spec_every_missing_flag_is_named(tmp_path):
    path = write(tmp_path / "a.onnx")
    with pytest.raises(SpecError) as caught:
        source_net(path, SpecFlags())
    for flag in ("classes", "color_order", "mean", "std", "value_range", "task", "resize"):
        assert flag in str(caught.value)
    assert "imgsz" not in str(caught.value), "the file itself says its size"


def test_mean_of_0_to_255_asks_for_its_range(tmp_path):
    path = write(tmp_path / "a.onnx")
    flags = {**vars(FLAGS), "mean": (102.0, 111.0, 127.0), "std": (51.0, 51.0, 51.0)}
    with pytest.raises(SpecError, match="`value_range=255`"):
        source_net(path, SpecFlags(**flags))
    spec = source_net(path, SpecFlags(**{**flags, "value_range": 255})).spec
    np.testing.assert_allclose(spec.mean, (0.4, 111 / 255, 127 / 255))
    np.testing.assert_allclose(spec.std, (0.2, 0.2, 0.2))


def test_a_file_with_our_spec_needs_no_flags_and_takes_none(tmp_path):
    source = source_net(write(tmp_path / "a.onnx"), FLAGS)
    onnx.save_model(deployed_graph(source.proto, source.spec), str(tmp_path / "ours.onnx"))
    again = source_net(tmp_path / "ours.onnx", SpecFlags(threshold=0.3))
    assert again.spec == source.spec.replace(threshold=0.3)
    check(again)
    with pytest.raises(SpecError, match="`classes` would contradict"):
        source_net(tmp_path / "ours.onnx", SpecFlags(classes=("a", "b", "c")))


def test_an_unusable_embedded_spec_is_refused(tmp_path):
    model = onnx.load(str(write(tmp_path / "a.onnx")))
    helper.set_model_props(model, {"edgeseg.spec": '{"task": "multiclass"}'})
    onnx.save_model(model, str(tmp_path / "a.onnx"))
    with pytest.raises(SpecError, match="inside this ONNX file is unusable"):
        source_net(tmp_path / "a.onnx", SpecFlags())


def test_class_names_come_from_a_list_or_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("sky\nroad\n")
    assert class_names(str(tmp_path / "names.txt")) == class_names("sky, road") == ("sky", "road")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\x00\xff" * 500, "not a whole ONNX file"),
        (b"\x08\x08", "holds no ONNX graph"),
    ],
)
def test_what_is_no_onnx_file_gets_a_sentence(content, message, tmp_path):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        source_net(tmp_path / "a.onnx", FLAGS)


def test_a_truncated_file_gets_a_sentence(tmp_path):
    data = write(tmp_path / "a.onnx").read_bytes()
    for size in range(1, len(data)):
        (tmp_path / "a.onnx").write_bytes(data[:size])
        with pytest.raises(ArtifactError):
            source_net(tmp_path / "a.onnx", FLAGS)


def with_domain(path: Path, domain: str) -> Path:
    model = onnx.load(str(path))
    model.opset_import.append(helper.make_opsetid(domain, 1))
    onnx.save_model(model, str(path))
    return path


@pytest.mark.parametrize(("domain", "whose"), [("acme", "of acme"), ("com.microsoft", "of com.microsoft")])
def test_an_operation_nobody_knows_is_named_with_its_node(domain, whose, tmp_path):
    path = write(tmp_path / "a.onnx", [helper.make_node("Frobnicate", ["y"], ["out"], name="magic_7", domain=domain)])
    with pytest.raises(ArtifactError, match=rf"'magic_7' is the operation Frobnicate {whose}, .*not standard ONNX"):
        source_net(with_domain(path, domain), FLAGS)


def test_a_graph_that_breaks_at_this_size_names_the_node(tmp_path):
    shape = numpy_helper.from_array(np.array([1, 3, 99, 2], np.int64), "shape")
    tail = [helper.make_node("Reshape", ["y", "shape"], ["out"], name="flatten_2")]
    path = write(tmp_path / "a.onnx", tail, outputs=[tensor("out", (1, 3, "h", "w"))])
    model = onnx.load(str(path))
    model.graph.initializer.append(shape)
    onnx.save_model(model, str(path))
    with pytest.raises(ArtifactError, match=r"(?s)cannot run this network on an input .*flatten_2.*`imgsz=\(H, W\)`"):
        source_net(path, FLAGS)


def test_malformed_files_are_refused(sample_data):
    found = sorted((sample_data / "malformed" / "onnx").iterdir())
    assert found
    for path in found:
        with pytest.raises(EdgesegError):
            source_net(path, FLAGS)


@pytest.mark.parametrize("depth", [0, 2])
def test_a_loop_is_refused_before_anything_runs_it(depth, tmp_path):
    """2**62 rounds would hang the simplifier as well as the engine."""
    nodes = [helper.make_node("Loop", ["n", ""], ["z"], body=helper.make_graph([], "body", [], []))]
    for level in range(depth):
        inner = helper.make_graph(nodes, f"b{level}", [], [])
        nodes = [helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)]
    path = write(tmp_path / "a.onnx")
    model = onnx.load(str(path))
    with pytest.raises(ArtifactError, match=r"the operation Loop .*any number of rounds"):
        refuse_rounds(onnx.ModelProto(graph=helper.make_graph(nodes, "g", [], []), ir_version=model.ir_version), path)
