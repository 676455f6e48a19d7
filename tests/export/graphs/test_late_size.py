"""Labels are cut and repeated to the picture, not logits: the same pixels in every engine, and logits on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.graphs.ir_from_onnx import ir_from_onnx
from edgeseg.export.graphs.late_size import Cut, Ending, Repeat, find_ending
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.foreign_net import strip_deployment
from edgeseg.export.trace.onnx_form import OnnxForm
from edgeseg.export.trace.openvino_form import OpenVinoForm
from edgeseg.graphs.cut_labels import UNCUT, expose_logits, size_before_bytes
from edgeseg.graphs.ir_file import logits_output, read_ir
from edgeseg.graphs.tensorrt_lint import expect_clean, lint
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.spec import ModelSpec

H, W = 13, 21
TASKS = ("multiclass", "binary", "multilabel")


def spec_of(task: str) -> ModelSpec:
    classes = ("background", "cell") if task == "binary" else ("road", "sky", "car")
    return ModelSpec(
        task, classes, H, W, "rgb", mean=(0.4,) * 3, std=(0.2,) * 3, threshold=0.4 if task == "multiclass" else None
    )


def slice_of(read: str, made: str, **numbers: list[int]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    names = {key: f"{made}/{key}" for key in numbers}
    constants = [numpy_helper.from_array(np.array(value, np.int64), names[key]) for key, value in numbers.items()]
    return [helper.make_node("Slice", [read, *names.values()], [made])], constants


def top_left() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """As torch exports ``logits[..., :H, :W]``."""
    rows, of_rows = slice_of("padded", "rows", starts=[0], ends=[H], axes=[2], steps=[1])
    columns, of_columns = slice_of("rows", "y", starts=[0], ends=[W], axes=[3], steps=[1])
    return rows + columns, of_rows + of_columns


def middle() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    return slice_of("padded", "y", starts=[2, 1], ends=[-1, 1 + W], axes=[-2, -1])


def negative_pad() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    pads = numpy_helper.from_array(np.array([0, 0, -1, 0, 0, 0, H - 15, W - 24], np.int64), "pads")
    return [helper.make_node("Pad", ["padded", "pads"], ["y"])], [pads]


def resize_of(read: str, made: str, **how: object) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    scales = numpy_helper.from_array(np.array([1, 1, 2, 3], np.float32), f"{made}/scales")
    return [helper.make_node("Resize", [read, "", scales.name], [made], mode="nearest", **how)], [scales]


def repeated() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """As torch exports nearest interpolation, with the crop of the padded picture behind it."""
    how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    resize, scales = resize_of("padded", "large", **how)
    crop, numbers = slice_of("large", "y", starts=[0, 0], ends=[H, W], axes=[2, 3])
    return resize + crop, scales + numbers


def between_repeats() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """A crop with a resize before and behind it, both as ``nearest-exact``."""
    how = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
    first, scales = resize_of("padded", "large", **how)
    crop, numbers = slice_of("large", "part", starts=[1, 2], ends=[1 + 7, 2 + 7], axes=[2, 3])
    second, more = resize_of("part", "larger", **how)
    last, stops = slice_of("larger", "y", starts=[1], ends=[1 + H], axes=[2])
    return first + crop + second + last, scales + numbers + more + stops


CROPS = {
    "top left": (top_left, 1, (Cut(0, 0, H, W),)),
    "in the middle": (middle, 1, (Cut(2, 1, H, W),)),
    "a negative pad": (negative_pad, 1, (Cut(1, 0, H, W),)),
    "repeated": (repeated, 2, (Repeat(2, 3), Cut(0, 0, H, W))),
    "between repeats": (between_repeats, 2, (Repeat(2, 3), Cut(1, 2, 7, 7), Repeat(2, 3), Cut(1, 0, H, W))),
}


def network(spec: ModelSpec, crop, stride: int = 1) -> onnx.ModelProto:
    """A convolution of a picture that was padded to 16x24, and what is cut and repeated behind it."""
    weights = np.random.default_rng(3).normal(0, 1, (spec.logit_channels, 3, stride, stride)).astype(np.float32)
    pads = np.array([0, 0, 0, 0, 0, 0, 16 - H, 24 - W], np.int64)
    nodes, constants = crop()
    strides = [stride, stride]
    convolution = helper.make_node("Conv", ["wide", "w"], ["padded"], strides=strides)
    graph = helper.make_graph(
        [helper.make_node("Pad", ["x", "p"], ["wide"]), convolution, *nodes],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, H, W])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, spec.logit_channels, H, W])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(pads, "p"), *constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def picture() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (1, H, W, 3), np.uint8)


def run_ort(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": picture()}), strict=True))


def save_ir(model: onnx.ModelProto, spec: ModelSpec, folder: Path) -> openvino.Model:
    names = [output.name for output in model.graph.output]
    onnx.save_model(model, str(folder / "model.onnx"))
    ir_from_onnx(folder / "model.onnx", folder / "model.xml", spec, names)
    return read_ir(folder / "model.xml")


def run_openvino(model: openvino.Model, names) -> dict[str, np.ndarray]:
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(picture())
    return {name: found[name].copy() for name in names}


@pytest.mark.parametrize("kind", CROPS)
@pytest.mark.parametrize("task", TASKS)
def test_labels_and_confidence_are_the_same_bytes_in_both_engines(task, kind, tmp_path):
    spec = spec_of(task)
    crop, stride, steps = CROPS[kind]
    net = network(spec, crop, stride)
    late, early = deployed_graph(net, spec), deployed_graph(net, spec, ("labels", "confidence", "logits"))
    assert find_ending(net, H, W) == Ending("padded", steps)
    wanted = run_ort(early)
    found, in_openvino = run_ort(late), run_openvino(save_ir(late, spec, tmp_path), ("labels", "confidence"))
    assert set(found) == {"labels", "confidence"}
    for name in found:
        assert found[name].shape == wanted[name].shape
        assert np.array_equal(found[name], wanted[name]), name
    assert np.array_equal(in_openvino["labels"], wanted["labels"])
    assert np.abs(in_openvino["confidence"].astype(int) - wanted["confidence"]).max() <= 1


@pytest.mark.parametrize("task", TASKS)
def test_nothing_but_bytes_is_cut(task, tmp_path):
    late = onnx.shape_inference.infer_shapes(deployed_graph(network(spec_of(task), top_left), spec_of(task)))
    kinds = {info.name: info.type.tensor_type.elem_type for info in (*late.graph.value_info, *late.graph.output)}
    cuts = [node for node in late.graph.node if node.op_type in ("Slice", "Pad") and node.name.startswith("edgeseg/")]
    assert len(cuts) == 2
    assert {kinds[node.input[0]] for node in cuts} == {TensorProto.UINT8}
    assert not [node for node in late.graph.node if node.op_type == "Slice" and node not in cuts]
    read = {name for node in late.graph.node for name in node.input}
    assert {tensor.name for tensor in late.graph.initializer} <= read


@pytest.mark.parametrize("kind", CROPS)
@pytest.mark.parametrize("task", TASKS)
def test_tensorrt_cuts_and_repeats_floats_as_it_does_no_bytes(task, kind):
    model = deployed_graph(network(spec_of(task), *CROPS[kind][:2]), spec_of(task))
    wanted = run_ort(model)
    assert any("uint8" in str(found) for found in lint(model))
    size_before_bytes(model)
    onnx.checker.check_model(model, full_check=True)
    expect_clean(model)
    found = run_ort(model)
    for name in ("labels", "confidence"):
        assert np.array_equal(found[name], wanted[name]), name


@pytest.mark.parametrize("kind", CROPS)
@pytest.mark.parametrize("task", TASKS)
def test_the_logits_of_the_picture_are_found_all_the_same(task, kind, tmp_path):
    spec = spec_of(task)
    net = network(spec, *CROPS[kind][:2])
    late, wanted = deployed_graph(net, spec), run_ort(deployed_graph(net, spec, ("labels", "logits")))["logits"]
    assert UNCUT in {name for node in late.graph.node for name in node.output}
    np.testing.assert_array_equal(run_ort(expose_logits(late))["logits"], wanted)
    model = save_ir(late, spec, tmp_path)
    cut = openvino.Model([logits_output(model)], model.get_parameters())
    found = shared_core().compile_model(cut, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture())[0]
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-4)
    normalised = np.random.default_rng(5).normal(size=(1, 3, H, W)).astype(np.float32)
    np.testing.assert_array_equal(make_forward(strip_deployment(late))(normalised), make_forward(net)(normalised))


@pytest.mark.parametrize("task", TASKS)
def test_a_trace_compares_the_logits_of_the_picture(task, tmp_path):
    spec = spec_of(task)
    net = network(spec, top_left)
    late = deployed_graph(net, spec)
    forms = [OnnxForm("onnx", late), OpenVinoForm("openvino", save_ir(late, spec, tmp_path))]
    wanted = run_ort(deployed_graph(net, spec, ("labels", "logits")))
    for form in forms:
        assert form.layers[-1].name == "logits"
        ending = form.whole()(picture()[0])
        np.testing.assert_array_equal(ending.labels, wanted["labels"][0])
        np.testing.assert_allclose(ending.logits, wanted["logits"], atol=1e-4)


def test_who_asks_for_logits_gets_those_of_the_picture():
    spec = spec_of("multiclass")
    for outputs in (("logits",), ("labels", "logits")):
        made = deployed_graph(network(spec, top_left), spec, outputs)
        assert UNCUT not in {name for node in made.graph.node for name in node.output}
        assert run_ort(made)["logits"].shape == (1, 3, H, W)


def flipped() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    return slice_of("padded", "y", starts=[-1], ends=[-1 - 16], axes=[2], steps=[-1])


def rounded_up() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """By these coordinates the nearest of a doubled row is not always the one it came from."""
    resize, scales = resize_of("padded", "y", coordinate_transformation_mode="asymmetric", nearest_mode="ceil")
    return resize, scales


def not_quite_doubled() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    resize, scales = repeated()
    scales[0].CopyFrom(numpy_helper.from_array(np.array([1, 1, 2.01, 3], np.float32), scales[0].name))
    return resize, scales


def of_channels() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    return slice_of("padded", "y", starts=[1], ends=[4], axes=[1])


def from_below() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    return slice_of("padded", "y", starts=[-H], ends=[2**63 - 1], axes=[2])


@pytest.mark.parametrize("end", [flipped, of_channels, from_below, rounded_up])
def test_what_is_no_crop_by_known_numbers_stays_where_it_is(end):
    assert find_ending(network(spec_of("multiclass"), end), H, W) is None


def test_a_factor_that_is_not_whole_repeats_nothing_though_the_sizes_look_so():
    ending = find_ending(network(spec_of("multiclass"), not_quite_doubled), H, W)
    assert ending == Ending("large", (Cut(0, 0, H, W),))


def test_openvino_looks_repeated_labels_up(tmp_path):
    spec = spec_of("multilabel")
    model = save_ir(deployed_graph(network(spec, repeated, 2), spec), spec, tmp_path)
    sized = [node for node in model.get_ordered_ops() if node.get_type_name() in ("Gather", "Interpolate")]
    ours = [node for node in sized if node.get_friendly_name().startswith("edgeseg/Resize")]
    assert len(ours) == 4  # rows and columns of labels and of confidence
    assert {(node.get_type_name(), str(node.get_element_type())) for node in ours} == {("Gather", "<Type: 'uint8_t'>")}
