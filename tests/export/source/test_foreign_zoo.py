"""A zoo of ONNX files as other people write them: each becomes proven artifacts, or a sentence says why not."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError, SpecError, UserError
from edgeseg.export.build import onnx_artifact, openvino_artifact
from edgeseg.export.graphs.opset import read_opset
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.graphs.upsampling import append_resize, enlarge_logits
from edgeseg.export.source.foreign_net import probe_inputs
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.source.source_net import SourceNet
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.export.specs.spec_file import flags_of_json, merge_flags
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import synthetic_samples

H, W = 32, 48
NORM = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "color_order": "rgb"}
THREE = SpecFlags(classes=("ground", "disc", "box"), **NORM)
TWO = SpecFlags(classes=("background", "person"), **NORM)
IR_VERSION = {7: 3, 8: 3, 9: 4, 11: 6, 13: 7, 17: 8, 18: 8, 19: 9, 21: 10, 23: 11}


@dataclasses.dataclass
class Net:
    """A small encoder and decoder: strided Conv, BatchNorm, ReLU, Pad, upsampling, Conv, with litter in it."""

    opset: int = 17
    outputs: int = 3
    tail: str | None = None
    stride: int = 2
    enlarge: bool = True
    nodes: list[onnx.NodeProto] = dataclasses.field(default_factory=list)
    weights: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def add(self, op: str, inputs: list[str], result: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [result], name=f"{op}_{len(self.nodes)}", **attributes))
        return result

    def weight(self, name: str, values: object, dtype: type = np.float32) -> str:
        self.weights[name] = np.asarray(values, dtype)
        return name

    def random(self, name: str, *shape: int) -> str:
        rng = np.random.default_rng(len(self.weights))
        return self.weight(name, rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape))

    def conv(self, at: str, result: str, channels: int, outputs: int, stride: int) -> str:
        kernel = self.random(f"{result}.w", outputs, channels, 3, 3)
        return self.add("Conv", [at, kernel], result, kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2)

    def batch_norm(self, at: str, result: str, channels: int) -> str:
        values = {"scale": 1.5, "bias": 0.1, "mean": 0.2, "var": 0.7}
        names = [self.weight(f"{result}.{k}", np.linspace(v, v + 1, channels)) for k, v in values.items()]
        return self.add("BatchNormalization", [at, *names], result, epsilon=1e-3)

    def pad(self, at: str, result: str) -> str:
        pads = [0, 0, 1, 1, 0, 0, 1, 1]
        if self.opset < 11:
            return self.add("Pad", [at], result, pads=pads, mode="reflect")
        return self.add("Pad", [at, self.weight("pads", pads, np.int64)], result, mode="reflect")

    def upsample(self, at: str, result: str) -> str:
        scales = [1.0, 1.0, float(self.stride), float(self.stride)]
        if self.opset < 9:
            return self.add("Upsample", [at], result, scales=scales, mode="linear")
        if self.opset < 11:
            return self.add("Upsample", [at, self.weight("scales", scales)], result, mode="nearest")
        roi = self.weight("roi", [])
        mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self.add("Resize", [at, roi, self.weight("scales", scales)], result, **mode)

    def activate(self, at: str) -> str:
        """Softmax of before opset 13 flattens, so exporters moved the classes to the end first."""
        if self.tail == "Sigmoid":
            return self.add("Sigmoid", [at], "activated")
        if self.opset >= 13:
            return self.add(self.tail, [at], "activated", axis=1)
        moved = self.add("Transpose", [at], "moved", perm=[0, 2, 3, 1])
        return self.add("Transpose", [self.add(self.tail, [moved], "soft", axis=3)], "activated", perm=[0, 3, 1, 2])

    def litter(self, at: str) -> None:
        """What exporters leave behind: a dead branch, arithmetic on constants, a Dropout."""
        self.add("Tanh", [at], "dead")
        self.add("Constant", [], "half", value=numpy_helper.from_array(np.float32(0.5)))
        self.add("Add", ["half", "half"], "one")
        self.add("Mul", [at, "one"], "same")

    def build(self) -> onnx.ModelProto:
        at = self.pad("image", "padded")
        kernel = self.random("stem.w", 8, 3, 3, 3)
        at = self.add("Conv", [at, kernel], "stem", kernel_shape=[3, 3], strides=[self.stride] * 2)
        at = self.add("Relu", [self.batch_norm(at, "normed", 8)], "active")
        self.litter(at)
        at = self.add("Dropout", [self.conv("same", "deep", 8, 8, 1)], "kept")
        at = self.conv(at, "head", 8, self.outputs, 1)
        if self.enlarge:
            at = self.upsample(at, "full")
        if self.tail:
            at = self.activate(at)
        size = (H, W) if self.enlarge else (H // self.stride, W // self.stride)
        return self.model(at, (1, 3, H, W), (1, self.outputs, *size))

    def model(self, output: str, given: tuple[object, ...], found: tuple[object, ...]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "zoo",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, given)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, found)],
            [numpy_helper.from_array(values, name) for name, values in self.weights.items()],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION[self.opset])


def with_weights_as_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return model


def with_dynamic_axes(model: onnx.ModelProto) -> onnx.ModelProto:
    for entry in (model.graph.input[0], model.graph.output[0]):
        for at, name in ((0, "batch"), (2, "height"), (3, "width")):
            entry.type.tensor_type.shape.dim[at].dim_param = f"{name}_{entry.name}"
    return model


def channels_last(model: onnx.ModelProto, outputs: int, declared: bool = True) -> onnx.ModelProto:
    """As TensorFlow's converter leaves it: Transposes at both ends."""
    graph, result = model.graph, model.graph.output[0].name
    graph.node.insert(0, helper.make_node("Transpose", ["pixels"], ["image"], perm=[0, 3, 1, 2]))
    graph.node.append(helper.make_node("Transpose", [result], ["classes"], perm=[0, 2, 3, 1]))
    graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, H, W, 3]))
    shape = [1, H, W, outputs] if declared else ["n", "h", "w", "k"]
    graph.output[0].CopyFrom(helper.make_tensor_value_info("classes", TensorProto.FLOAT, shape))
    return model


def original(model: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    """The file as its author would run it: no optimisation, nothing of ours."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: values})[0]


def taken(model: onnx.ModelProto, folder: Path, flags: SpecFlags = THREE) -> SourceNet:
    onnx.save_model(model, str(folder / "zoo.onnx"))
    return source_net(folder / "zoo.onnx", flags)


def check_proven(source: SourceNet, folder: Path) -> None:
    """fp32 ONNX and OpenVINO artifacts whose masks are the file's own."""
    place, samples = OutputOptions(folder / "out", "zoo"), synthetic_samples(source.spec)
    first = onnx_artifact(source, place, None, samples)
    second = openvino_artifact(source, first.artifact, place, samples)
    for built in (first, second):
        assert built.comparison.stages[1].agreement > 0.999
        assert len(built.comparison.labels_seen) > 1, "masks of one label would prove nothing"


def check_same(source: SourceNet, expected: Callable[[np.ndarray], np.ndarray], atol: float = 2e-4) -> None:
    for values in probe_inputs(source.spec):
        wanted = expected(values)
        np.testing.assert_allclose(make_forward(source.proto)(values), wanted, atol=atol * max(1, np.abs(wanted).max()))
        np.testing.assert_allclose(source.forward(values), wanted, atol=atol * max(1, np.abs(wanted).max()))


def operations(source: SourceNet) -> list[str]:
    return [node.op_type for node in source.proto.graph.node]


@pytest.mark.parametrize("opset", sorted(IR_VERSION))
def test_every_opset_becomes_proven_artifacts(opset, tmp_path):
    model = Net(opset).build()
    model = with_weights_as_inputs(model) if opset < 9 else model
    source = taken(model, tmp_path)
    check_same(source, lambda values: original(model, values))
    assert read_opset(source.proto) == 17
    check_proven(source, tmp_path)


def test_what_is_deployed_is_simpler_and_the_same(tmp_path):
    source = taken(Net().build(), tmp_path)
    assert sorted(operations(source)) == ["Conv", "Conv", "Conv", "Pad", "Relu", "Resize"]
    check_same(source, lambda values: original(Net().build(), values))
    again = taken(Net().build(), tmp_path)
    assert again.proto.SerializeToString() == source.proto.SerializeToString(), "the same file gives the same bytes"


@pytest.mark.parametrize("opset", [9, 17])
def test_dynamic_axes_are_fixed(opset, tmp_path):
    model = with_dynamic_axes(Net(opset).build())
    source = taken(model, tmp_path, dataclasses.replace(THREE, imgsz=(H, W)))
    check_same(source, lambda values: original(model, values))
    check_proven(source, tmp_path)


@pytest.mark.parametrize("declared", [True, False])
def test_channels_last_are_brought_first_and_the_transposes_vanish(declared, tmp_path):
    model = channels_last(Net().build(), 3, declared)
    source = taken(model, tmp_path)
    check_same(source, lambda values: original(model, values.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    assert "Transpose" not in operations(source)
    check_proven(source, tmp_path)


def test_one_channel_is_a_binary_task_and_two_are_classes(tmp_path):
    one, two = (taken(Net(outputs=n).build(), tmp_path, TWO) for n in (1, 2))
    assert (one.spec.task, two.spec.task) == ("binary", "multiclass")
    check_proven(one, tmp_path)
    check_proven(two, tmp_path)


def test_one_channel_is_binary_even_where_the_file_does_not_say_it(tmp_path):
    model = Net(outputs=1).build()
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "classes"
    assert taken(model, tmp_path, TWO).spec.task == "binary"


@pytest.mark.parametrize(("tail", "outputs"), [("Softmax", 3), ("Softmax", 2), ("Sigmoid", 1), ("LogSoftmax", 3)])
@pytest.mark.parametrize("opset", [11, 17])
def test_activations_inside_give_the_masks_of_the_file(tail, outputs, opset, tmp_path):
    model = Net(opset, outputs, tail).build()
    source = taken(model, tmp_path, THREE if outputs == 3 else TWO)
    assert tail == "LogSoftmax" or tail not in operations(source)
    logits = make_forward(source.proto)(values := probe_inputs(source.spec)[0])
    given = original(model, values)
    if outputs == 1:
        np.testing.assert_array_equal(logits > 0, given > 0.5)
    else:
        assert (logits.argmax(1) == given.argmax(1)).mean() > 0.999
    check_proven(source, tmp_path)


@pytest.mark.parametrize("how", ["bilinear", "bilinear-align-corners"])
@pytest.mark.parametrize("stride", [2, 4])
def test_smaller_logits_are_upsampled_on_request(how, stride, tmp_path):
    model = Net(stride=stride, enlarge=False).build()
    with pytest.raises(
        SpecError, match=rf"{H // stride}x{W // stride} where the input is {H}x{W}. Give `upsample='bilinear'`"
    ):
        taken(model, tmp_path)
    source = taken(model, tmp_path, dataclasses.replace(THREE, upsample=how))
    corners = how.endswith("corners")

    def by_torch(values: np.ndarray) -> np.ndarray:
        small = torch.from_numpy(original(model, values))
        return nn.functional.interpolate(small, (H, W), mode="bilinear", align_corners=corners).numpy()

    check_same(source, by_torch)
    check_proven(source, tmp_path)


def test_smaller_probabilities_are_upsampled_as_they_are(tmp_path):
    """What the file gives is what is enlarged: the softmax of enlarged logits is something else."""
    model = Net(tail="Softmax", enlarge=False).build()
    source = taken(model, tmp_path, dataclasses.replace(THREE, upsample="bilinear"))

    def by_torch(values: np.ndarray) -> np.ndarray:
        small = torch.from_numpy(original(model, values))
        return nn.functional.interpolate(small, (H, W), mode="bilinear").log().numpy()

    check_same(source, by_torch)
    check_proven(source, tmp_path)


def test_upsampling_does_nothing_to_logits_of_full_size(tmp_path):
    plain = taken(Net().build(), tmp_path)
    asked = taken(Net().build(), tmp_path, dataclasses.replace(THREE, upsample="bilinear"))
    assert asked.proto.SerializeToString() == plain.proto.SerializeToString()


@pytest.mark.parametrize("how", ["bilinear", "bilinear-align-corners"])
@pytest.mark.parametrize(("small", "large"), [((1, 1), (7, 9)), ((5, 4), (16, 12)), ((3, 8), (10, 8))])
def test_the_resize_of_the_graph_is_the_one_of_the_reference(how, small, large):
    values = np.random.default_rng(0).normal(size=(1, 2, *small)).astype(np.float32)
    entries = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2, *small]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", entries[:1], entries[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    append_resize(model, (2, *large), how)
    np.testing.assert_allclose(original(model, values), enlarge_logits(values, large, how), atol=1e-5)


def test_one_of_several_outputs_is_chosen_by_name(tmp_path):
    model = Net().build()
    model.graph.output.append(helper.make_tensor_value_info("dead", TensorProto.FLOAT, [1, 8, "h", "w"]))
    with pytest.raises(SpecError, match=r"this file has 2: full .*dead .*`logits=NAME`"):
        taken(model, tmp_path)
    with pytest.raises(SpecError, match="no output 'fool'; `logits` can be one of full"):
        taken(model, tmp_path, dataclasses.replace(THREE, logits="fool"))
    source = taken(model, tmp_path, dataclasses.replace(THREE, logits="full"))
    assert "Tanh" not in operations(source), "what led to the other output is gone"
    check_proven(source, tmp_path)


def test_functions_inside_a_file_are_written_out(tmp_path):
    model = Net().build()
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "Rectify", "home"
    body = helper.make_node("Max", ["x", "zero"], ["y"])
    zero = helper.make_node("Constant", [], ["zero"], value=numpy_helper.from_array(np.float32(0)))
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("home", "Rectify", ["x"], ["y"], [zero, body], opsets))
    model.opset_import.append(helper.make_opsetid("home", 1))
    source = taken(model, tmp_path)
    check_same(source, lambda values: original(Net().build(), values))


class TorchNet(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
        self.up = nn.ConvTranspose2d(8, outputs, 2, 2)
        self.skip = nn.Conv2d(3, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deep = self.down(x)
        return self.up(deep * self.gate(deep)) + self.skip(x)


@pytest.mark.parametrize("opset", [9, 11, 13, 17])
def test_files_of_the_old_torch_exporter(opset, tmp_path):
    torch.manual_seed(opset)
    net = TorchNet(3).eval()
    net.down[1].running_var.uniform_(0.5, 2)
    stream = io.BytesIO()
    axes = {name: {0: "n", 2: "h", 3: "w"} for name in ("x", "y")}
    with quiet():
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, H, W),),
            stream,
            dynamo=False,
            opset_version=opset,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes=axes,
            keep_initializers_as_inputs=True,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    (tmp_path / "torch.onnx").write_bytes(stream.getvalue())
    source = source_net(tmp_path / "torch.onnx", dataclasses.replace(THREE, imgsz=(H, W)))
    assert "BatchNormalization" not in operations(source)
    with torch.inference_mode():
        check_same(source, lambda values: net(torch.from_numpy(values)).numpy())
    check_proven(source, tmp_path)


def test_tensorrt_reads_what_was_simplified(tmp_path):
    rtx = pytest.importorskip("tensorrt_rtx", reason="the parser of TensorRT for RTX is not installed")
    logger = rtx.Logger(rtx.Logger.ERROR)
    for model in (
        with_weights_as_inputs(Net(7).build()),
        channels_last(Net().build(), 3),
        Net(tail="Softmax", enlarge=False).build(),
    ):
        source = taken(model, tmp_path, dataclasses.replace(THREE, upsample="bilinear"))
        network = rtx.Builder(logger).create_network(0)
        parser = rtx.OnnxParser(network, logger)
        said = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        assert parser.parse(source.proto.SerializeToString()), said


def spoiled(value: float) -> onnx.ModelProto:
    model = Net().build()
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "deep.w")
    values = numpy_helper.to_array(kernel).copy()
    values[0, 0, 0, 0] = value
    kernel.CopyFrom(numpy_helper.from_array(values, "deep.w"))
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(value, tmp_path):
    with pytest.raises(SpecError, match=r"NaN or infinity .*the weights 'deep.w' of 'Conv_8'"):
        taken(spoiled(value), tmp_path)


def test_a_layer_that_overflows_is_named(tmp_path):
    net = Net()
    model = net.build()
    at = next(i for i, node in enumerate(model.graph.node) if node.name == "Conv_8")
    model.graph.node.insert(at, helper.make_node("Exp", ["same"], ["hot"], name="explode"))
    model.graph.node.insert(at, helper.make_node("Mul", ["same0", "big"], ["same"], name="enlarge"))
    next(node for node in model.graph.node if node.name == "Mul_7").output[0] = "same0"
    next(node for node in model.graph.node if node.name == "Conv_8").input[0] = "hot"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1e4), "big"))
    with pytest.raises(SpecError, match=r"first in layer 'explode' \(Exp\).*`mean`, `std`"):
        taken(model, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.graph.input[0].type.tensor_type.__setattr__("elem_type", TensorProto.INT32),
            "one image: float32, float16 or uint8",
        ),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim[1].__setattr__("dim_value", 4), "1 or 3 channels"),
        (
            lambda m: m.graph.node[0].__setattr__("op_type", "Flapp"),
            r"breaks the rules of ONNX: No Op registered for Flapp .*Name: Pad_0 OpType: Flapp",
        ),
        (
            lambda m: m.graph.node[1].input.__setitem__(1, "gone"),
            r"breaks the rules of ONNX: .*'gone' of node: name: Conv_1 OpType: Conv",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(change, message, tmp_path):
    model = Net().build()
    change(model)
    with pytest.raises(UserError, match=message):
        taken(model, tmp_path)


FULL = {
    "task": "multiclass",
    "classes": ["ground", "disc", "box"],
    "height": H,
    "width": W,
    "color_order": "bgr",
    "mean": [0.1, 0.2, 0.3],
    "std": [1, 2, 3],
    "resize": "letterbox",
    "threshold": None,
    "ignore_index": 11,
    "palette": [[0, 0, 0], "#ff8800", [1, 2, 3]],
    "thresholds": [0.3, 0.5, 0.0],
}


def test_a_spec_file_says_everything_that_flags_say(tmp_path):
    (tmp_path / "spec.json").write_text(json.dumps(FULL))
    onnx.save_model(with_dynamic_axes(Net().build()), str(tmp_path / "zoo.onnx"))
    spec = source_net(tmp_path / "zoo.onnx", merge_flags(SpecFlags(), tmp_path / "spec.json")).spec
    found = {**spec.to_dict(), "palette": [list(color) for color in spec.palette]}
    wanted = {**FULL, "palette": [[0, 0, 0], [255, 136, 0], [1, 2, 3]]}
    assert json.loads(json.dumps(found)) == wanted


def test_the_spec_of_an_artifact_is_a_spec_file(tmp_path):
    spec = taken(Net().build(), tmp_path).spec
    (tmp_path / "again.json").write_text(spec.to_json())
    assert source_net(tmp_path / "zoo.onnx", merge_flags(SpecFlags(), tmp_path / "again.json")).spec == spec


def test_flags_win_over_the_file(tmp_path):
    (tmp_path / "s.json").write_text('{"color-order": "bgr", "imgsz": 64, "--conf": 0.4, "value_range": 255}')
    flags = merge_flags(SpecFlags(color_order="gray", threshold=0.6), tmp_path / "s.json")
    assert (flags.color_order, flags.threshold, flags.imgsz, flags.value_range) == ("gray", 0.6, (64, 64), 255)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"colour_order": "rgb"}', "unknown key 'colour_order'; did you mean 'color_order'"),
        ('{"meen": [1]}', "did you mean 'mean'"),
        ('{"zzzzzz": 1}', "unknown key 'zzzzzz'; Known are classes"),
        ("[1]", "one JSON object; found list"),
        ("{", "is not JSON"),
        ('{"mean": 0.5}', "mean must be a list; found 0.5"),
        ('{"mean": ["a"]}', "mean must be a number"),
        ('{"height": 32}', "gives the size as height and width"),
        ('{"height": 32, "width": 32, "imgsz": 32}', "gives the size as height and width"),
        ('{"imgsz": [32, 32.5]}', "imgsz must be height and width in whole pixels"),
        ('{"task": "regression"}', "task must be binary or multiclass"),
        ('{"value_range": 2}', "value_range must be 1 or 255"),
        ('{"ignore_index": 1.5}', "ignore_index must be a whole number"),
        ('{"palette": ["red"]}', "palette must be"),
        ('{"classes": [1, 2]}', "classes must be a list of names"),
        ('{"upsample": "cubic"}', "upsample must be bilinear"),
        ('{"threshold": true}', "threshold must be a number"),
    ],
)
def test_a_wrong_spec_file_gets_a_sentence(text, message, tmp_path):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(SpecError, match=message):
        merge_flags(SpecFlags(), tmp_path / "s.json")


def test_a_missing_spec_file_gets_a_sentence(tmp_path):
    with pytest.raises(SpecError, match=r"There is no file .*none\.json"):
        merge_flags(SpecFlags(), tmp_path / "none.json")
    assert flags_of_json({}, tmp_path) == SpecFlags()


def test_a_foreign_file_with_a_spec_file_as_a_user_types_it(tmp_path, capsys):
    (tmp_path / "spec.json").write_text(json.dumps({**FULL, "resize": "stretch", "upsample": "bilinear"}))
    onnx.save_model(Net(9, enlarge=False).build(), str(tmp_path / "theirs.onnx"))
    command = ["export", str(tmp_path / "theirs.onnx"), "--spec", str(tmp_path / "spec.json")]
    assert main([*command, "--color-order", "rgb", "--out", str(tmp_path / "out")]) == 0
    assert "openvino fp32" in capsys.readouterr().out
    made = Artifact.open(tmp_path / "out" / "theirs-fp32-openvino")
    assert (made.spec.color_order, made.spec.ignore_index, made.spec.palette[1]) == ("rgb", 11, (255, 136, 0))
    (tmp_path / "spec.json").write_text('{"clases": ["a"]}')
    assert main([*command, "--out", str(tmp_path / "no")]) == 2
    assert "did you mean 'classes'" in capsys.readouterr().err


def test_an_operation_that_openvino_lacks_leaves_nothing_and_is_named(tmp_path):
    net = Net()
    net.build()
    model = net.model("hard", (1, 3, H, W), (1, 3, H, W))
    model.graph.node.append(helper.make_node("Det", ["square"], ["det"], name="determinant"))
    model.graph.node.append(helper.make_node("MatMul", ["full", "turn"], ["square"]))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((W, H), np.float32), "turn"))
    model.graph.node.append(helper.make_node("Unsqueeze", ["det", "axes"], ["wide"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), "axes"))
    model.graph.node.append(helper.make_node("Add", ["full", "wide"], ["hard"]))
    order = [*model.graph.node[:-4], model.graph.node[-3], model.graph.node[-4], *model.graph.node[-2:]]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in order]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    source = taken(model, tmp_path)
    place, samples = OutputOptions(tmp_path / "out", "zoo"), synthetic_samples(source.spec)
    first = onnx_artifact(source, place, None, samples)
    with pytest.raises(ArtifactError, match=r"OpenVINO does not have Det \(node 'net/determinant'\)"):
        openvino_artifact(source, first.artifact, place, samples)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["zoo-fp32-onnx"]
