"""Every line of the tables in docs/foreign.md: what is read gives its author's masks, the rest one sentence."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from foreign_graphs import HALF, INT32, INT64, UINT8, Graph, H, W
from onnx import helper
from torch import nn

from edgeseg.console.quiet import quiet
from edgeseg.errors import SpecError
from edgeseg.export.build import onnx_artifact
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.source.source_net import SourceNet
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.image import normalise
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import synthetic_samples
from edgeseg.runtime.engines.predictor import open_predictor

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "foreign.md"
NORM: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.2,) * 3, "color_order": "rgb"}
THREE = SpecFlags(task="multiclass", classes=("a", "b", "c"), **NORM)
TWO = SpecFlags(classes=("background", "cell"), **NORM)
Array = np.ndarray


def softmax(values: Array) -> Array:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


@dataclass
class Form:
    """A file, and how its author reads what it gives.

    Attributes:
        model: the file.
        labels: results to HW labels.
        flags: what he says about it.
        sure: results to the probability of the label (of the foreground for a binary task), 0..1.
        said: a part of what is said about it.
    """

    model: onnx.ModelProto
    labels: Callable[[Array], Array]
    flags: SpecFlags = THREE
    sure: Callable[[Array], Array] | None = None
    said: str = ""
    tolerance: float = 0.0


def best(values: Array) -> Array:
    return values.argmax(1)[0]


def plane(values: Array) -> Array:
    return values.reshape(values.shape[-2:])


def over(limit: float) -> Callable[[Array], Array]:
    return lambda values: plane(values) > limit


def enlarge(values: Array) -> Array:
    return nn.functional.interpolate(torch.from_numpy(values.astype("f4").copy()), (H, W), mode="bilinear").numpy()


def most(values: Array) -> Array:
    return values.max(1)[0]


def low(**flags: Any) -> SpecFlags:
    return SpecFlags(**{**vars(THREE), "upsample": "bilinear", **flags})


def sure(flags: SpecFlags) -> SpecFlags:
    """With a threshold, so that there is a confidence."""
    return SpecFlags(**{**vars(flags), "threshold": 0.6})


def norm(**changes: Any) -> SpecFlags:
    return SpecFlags(**{**vars(THREE), **changes})


class Untracked(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), layer, nn.ReLU(), nn.Conv2d(8, 3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def exported(net: nn.Module, dynamo: bool = False, opset: int = 17) -> onnx.ModelProto:
    """By torch's exporter, without touching its mode."""
    stream = io.BytesIO()
    example = (torch.zeros(1, 3, H, W),)
    with quiet(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if dynamo:
            return torch.onnx.export(net, example, dynamo=True, verbose=False).model_proto
        mode = torch.onnx.TrainingMode.PRESERVE
        torch.onnx.export(net, example, stream, dynamo=False, training=mode, opset_version=opset)
    return onnx.load_from_string(stream.getvalue())


def several() -> onnx.ModelProto:
    graph = Graph()
    other = graph.put("Relu").at
    graph.at = "y"
    return graph.model(1, (1, 3, H, W), (other, (1, 3, H, W)))


def complement() -> onnx.ModelProto:
    graph = Graph(1).put("Sigmoid")
    p = graph.at
    graph.put("Sub", np.float32(1), first=True)
    return graph.put("Concat", p, axis=1).model(1, (1, 2, H, W))


def grey_values() -> onnx.ModelProto:
    return Graph(1).put("Sigmoid").put("Mul", np.float32(255)).put("Cast", to=UINT8).model(UINT8, (1, 1, H, W))


def as_zero_and_255() -> onnx.ModelProto:
    graph = Graph(1).put("Sigmoid").put("Greater", np.float32(0.3))
    return graph.put("Where", np.float32(255), np.float32(0)).put("Cast", to=UINT8).model(UINT8, (1, 1, H, W))


def not_taken_off() -> onnx.ModelProto:
    graph = Graph(3).put("TopK", np.array([1], np.int64), axis=1)
    graph.nodes[-1].output.append("indices")
    graph.at = "indices"
    return graph.model(INT64, (1, 1, H, W))


def nhwc(stride: int = 1, declared: bool = True) -> onnx.ModelProto:
    graph = Graph(3, stride, last=True).put("Transpose", perm=[0, 2, 3, 1])
    return graph.model(1, (1, H // stride, W // stride, 3) if declared else ("n", "h", "w", "k"))


def batch_of_four() -> onnx.ModelProto:
    return Graph(batch=4).put("Reshape", np.array([4, 3, H, W], np.int64)).model(1, (4, 3, H, W))


def probabilities(graph: Graph) -> onnx.ModelProto:
    return graph.model(1, None)


LAST = (0, 3, 1, 2)


def half_inside() -> onnx.ModelProto:
    """As the usual converters write it: float32 outside, and the casts appended, out of order."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(Graph().model(), keep_io_types=True)
    with pytest.raises(onnx.checker.ValidationError, match="topologically sorted"):
        onnx.checker.check_model(model)
    return model


READ: dict[str, Callable[[], Form]] = {
    "logits `[1, K, H, W]`": lambda: Form(Graph().model(), best, sure(THREE), lambda v: most(softmax(v))),
    "one logit a pixel": lambda: Form(Graph(1).model(), over(0), TWO, lambda v: plane(sigmoid(v))),
    "Softmax at the end": lambda: Form(Graph().put("Softmax", axis=1).model(), best, sure(THREE), most),
    "Sigmoid at the end, one channel": lambda: Form(Graph(1).put("Sigmoid").model(), over(0.5), TWO, plane),
    "Sigmoid at the end, several channels": lambda: Form(
        Graph().put("Sigmoid").model(), lambda v: ((v[0] > 0.5) << np.arange(3)[:, None, None]).sum(0), norm(task=None)
    ),
    "LogSoftmax at the end": lambda: Form(
        Graph().put("LogSoftmax", axis=1).model(), best, sure(THREE), lambda v: most(np.exp(v))
    ),
    "Softmax, then a resize": lambda: Form(
        Graph(3, 2).put("Softmax", axis=1).resize().model(), best, sure(THREE), most
    ),
    "Sigmoid, then a resize": lambda: Form(Graph(1, 2).put("Sigmoid").resize().model(), over(0.5), TWO, plane),
    "Sigmoid, then Clip": lambda: Form(
        Graph(1).put("Sigmoid").put("Clip", np.float32(0.1), np.float32(0.9)).model(), over(0.5), TWO, plane
    ),
    "Sigmoid times 255": lambda: Form(
        Graph(1).put("Sigmoid").put("Mul", np.float32(255)).model(), over(127.5), TWO, lambda v: plane(v) / 255
    ),
    "Sigmoid in percent": lambda: Form(
        Graph(1).put("Sigmoid").put("Mul", np.float32(100)).model(), over(50), TWO, lambda v: plane(v) / 100
    ),
    "Sigmoid as uint8 grey values": lambda: Form(grey_values(), over(127), TWO, lambda v: plane(v) / 255),
    "Tanh at the end": lambda: Form(Graph(1).put("Tanh").model(), over(0), TWO, lambda v: (plane(v) + 1) / 2),
    "`1 - p` and `p` concatenated": lambda: Form(
        complement(), best, sure(SpecFlags(classes=("background", "cell"), **NORM)), most
    ),
    "one channel without its axis, `[1, H, W]` or `[H, W]`": lambda: Form(
        Graph(1).put("Sigmoid").put("Squeeze").model(1, (H, W)), over(0.5), TWO, plane
    ),
    "ArgMax inside, int64, without its axis": lambda: Form(
        Graph().put("ArgMax", axis=1, keepdims=0).model(INT64, (1, H, W)), plane, sure(THREE)
    ),
    "ArgMax inside, int32, axis kept": lambda: Form(
        Graph().put("ArgMax", axis=-3, keepdims=1).put("Cast", to=INT32).model(INT32, ("n", 1, "h", "w")), plane
    ),
    "ArgMax inside, of a Softmax that is resized": lambda: Form(
        Graph(3, 2).put("Softmax", axis=1).resize().put("ArgMax", axis=1, keepdims=0).model(INT64, (1, H, W)),
        plane,
        sure(THREE),
    ),
    "ArgMax inside, as float": lambda: Form(Graph().put("ArgMax", axis=1).put("Cast", to=1).model(), plane),
    "ArgMax inside of two classes, as 0 and 255": lambda: Form(
        Graph(2).put("ArgMax", axis=1).put("Mul", np.int64(255)).put("Cast", to=UINT8).model(UINT8), over(127), TWO
    ),
    "ArgMax that takes the last of equal ones": lambda: Form(
        Graph().put("ArgMax", axis=1, select_last_index=1).model(INT64), plane, said="no confidence"
    ),
    "labels from an operation that cannot be taken off": lambda: Form(not_taken_off(), plane, said="no confidence"),
    "thresholded inside": lambda: Form(
        Graph(1).put("Sigmoid").put("Greater", np.float32(0.3)).put("Cast", to=1).model(), plane, TWO, said="of 0.3 "
    ),
    "thresholded inside, as 0 and 255": lambda: Form(as_zero_and_255(), over(0), TWO, said="of 0.3 "),
    "thresholded on logits": lambda: Form(
        Graph(1).put("Greater", np.float32(1)).put("Cast", to=UINT8).model(UINT8), plane, TWO, said="of 0.7311 "
    ),
    "several outputs": lambda: Form(several(), best, norm(logits="y")),
    "channels last": lambda: Form(nhwc(1, False), lambda v: v.argmax(3)[0]),
    "channels last, smaller than the input": lambda: Form(nhwc(2), lambda v: best(enlarge(v.transpose(LAST))), low()),
    "logits smaller than the input": lambda: Form(Graph(3, 2).model(), lambda v: best(enlarge(v)), low()),
    "probabilities smaller than the input": lambda: Form(
        Graph(3, 2).put("Softmax", axis=1).model(),
        lambda v: best(enlarge(v)),
        low(threshold=0.6),
        lambda v: most(enlarge(v)),
    ),
    "float16 inside and outside": lambda: Form(Graph(kind=HALF).model(HALF), best, tolerance=5e-3),
    "float16 inside alone, its casts at the end of the file": lambda: Form(half_inside(), best, tolerance=5e-3),
    "uint8 pixels as input": lambda: Form(Graph(kind=UINT8, last=True).model(), best, norm(mean=None, std=None)),
    "a fixed batch of four": lambda: Form(batch_of_four(), best),
    "BatchNorm2d with track_running_stats=False": lambda: Form(
        exported(Untracked(nn.BatchNorm2d(8, track_running_stats=False)).eval()), best, said="track_running_stats=False"
    ),
    "InstanceNorm2d or GroupNorm": lambda: Form(
        exported(Untracked(nn.GroupNorm(2, 8)).eval()), best, said="own mean|mean and variance of each picture"
    ),
}


def in_onnx_runtime(model: onnx.ModelProto, given: Array, output: int = 0) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: given})[output]


def feed(model: onnx.ModelProto, picture: Array, source: SourceNet) -> Array:
    """What the author gives his file, of an HWC uint8 BGR picture."""
    image = model.graph.input[0].type.tensor_type
    rgb = picture[..., ::-1]
    if image.elem_type == UINT8:
        return np.ascontiguousarray(rgb)[np.newaxis]
    values = ((rgb / 255 - 0.5) / 0.2).transpose(2, 0, 1)[np.newaxis].astype("f4")
    values = values.transpose(0, 2, 3, 1) if image.shape.dim[3].dim_value == 3 else values
    kind = np.float16 if image.elem_type == HALF else np.float32
    return np.repeat(np.ascontiguousarray(values), image.shape.dim[0].dim_value or 1, 0).astype(kind)


def pictures() -> list[Array]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (H, W, 3), np.uint8) for _ in range(4)]


def table(heading: str) -> list[str]:
    """The first column of the table below a heading of the page."""
    part = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize("name", READ)
def test_what_is_read_gives_the_masks_of_its_author(name, tmp_path):
    form = READ[name]()
    onnx.save_model(form.model, str(tmp_path / "net.onnx"))
    source = source_net(tmp_path / "net.onnx", form.flags)
    deployed = deployed_graph(source.proto, source.spec)
    assert re.search(form.said, " ".join(source.notes))
    assert bool(form.said) == bool(source.notes)
    found, seen = [], set()
    for picture in pictures():
        raw = in_onnx_runtime(form.model, feed(form.model, picture, source))
        wanted = form.labels(raw).astype(np.uint8)
        labels = in_onnx_runtime(deployed, picture[np.newaxis])[0]
        found.append(np.mean(labels != wanted))
        seen.update(np.unique(wanted).tolist())
        assert source.predict is not None
        own = source.predict(normalise(picture, source.spec)[np.newaxis])
        np.testing.assert_array_equal(own.labels, wanted, "the reference is the file as it is")
        if form.sure is not None:
            confidence = in_onnx_runtime(deployed, picture[np.newaxis], 1)[0].astype(float)
            np.testing.assert_allclose(confidence, np.round(255 * form.sure(raw)), atol=1)
            np.testing.assert_allclose(own.confidence.astype(float), np.round(255 * form.sure(raw)), atol=1)
    assert max(found) <= form.tolerance
    assert len(seen) > 1, "masks of one label would prove nothing"


def values(name: str, shape: tuple[object, ...], kind: int = 1) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def outputs(*found: onnx.ValueInfoProto, also: tuple[onnx.ValueInfoProto, ...] = ()) -> onnx.ModelProto:
    """A file that declares these outputs; what is declined is declined before anything runs."""
    nodes = [helper.make_node("Identity", ["x"], [entry.name]) for entry in found]
    graph = helper.make_graph(nodes, "g", [values("x", (1, 3, H, W)), *also], found)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def batch_norm(training: bool) -> onnx.ModelProto:
    graph = Graph(3)
    one = np.ones(3, np.float32)
    return graph.put("BatchNormalization", one, one, one, one, training_mode=int(training)).model()


def batch_mean() -> onnx.ModelProto:
    graph = Graph(3)
    y = graph.at
    graph.put("ReduceMean", axes=[0, 2, 3])
    return graph.put("Sub", y, first=True).model()


def dropout(training: bool = True) -> onnx.ModelProto:
    return Graph(3).put("Dropout", np.float32(0.5), np.array(training)).model()


def lots() -> onnx.ModelProto:
    graph = Graph(3)
    y = graph.at
    return graph.put("RandomUniformLike", seed=1.0).put("Add", y).model()


def fixed_batch() -> onnx.ModelProto:
    graph = Graph(batch=4).put("Reshape", np.array([2, 6, H, W], np.int64)).put("Relu")
    return graph.put("Reshape", np.array([4, 3, H, W], np.int64)).model(1, (4, 3, H, W))


def pixels_twice() -> onnx.ModelProto:
    graph = Graph(3)
    graph.nodes[0].input[0] = "small"
    graph.nodes.insert(0, helper.make_node("Div", ["x", graph.constant(np.float32(255))], ["small"], name="scale"))
    return graph.model()


def stretched(sigmoid: bool = True, eps: float = 1e-8, **axes: Any) -> onnx.ModelProto:
    """As U-2-Net's authors write their masks: (d - min) / (max - min)."""
    graph = Graph(1)
    d = graph.put("Sigmoid").at if sigmoid else graph.at
    least = graph.put("ReduceMin", keepdims=1, **axes).at
    graph.at = d
    most = graph.put("ReduceMax", keepdims=1, **axes).at
    whole = graph.put("Sub", least).put("Add", np.float32(eps)).at
    graph.at = d
    assert most
    return graph.put("Sub", least).put("Div", whole).model()


def in_colors(kind: type = np.uint8) -> onnx.ModelProto:
    graph = Graph().put("ArgMax", axis=1, keepdims=0)
    graph.put("Gather", np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], kind), first=True)
    return graph.model(UINT8 if kind is np.uint8 else 1, (1, H, W, 3))


def drawn(op: str, value: Any, kind: int = 1) -> onnx.ModelProto:
    """Labels as grey values."""
    return Graph().put("ArgMax", axis=1).put("Cast", to=kind).put(op, value).model(kind)


BOXES, MASKS = values("boxes", ("n", 4)), values("masks", ("n", 1, 28, 28))
DECLINED: dict[str, tuple[Callable[[], onnx.ModelProto], SpecFlags, str]] = {
    "BatchNormalization in training mode": (lambda: batch_norm(True), THREE, r"BatchNormalization.*net\.eval\(\)"),
    "a mean over batch, height and width": (batch_mean, THREE, r"mean over batch.*net\.eval\(\)"),
    "Dropout in training mode": (dropout, THREE, r"Dropout .*training mode.*net\.eval\(\)"),
    "random numbers inside": (lots, THREE, r"draws lots \(RandomUniformLike .*net\.eval\(\)"),
    "Softmax over another axis than the classes": (
        lambda: Graph().put("Softmax", axis=3).model(),
        THREE,
        r"Softmax 'Softmax_1' before the output .* Softmax\(dim=1\)",
    ),
    "probabilities that something unknown was done to": (
        lambda: Graph(1).put("Sigmoid").put("Sqrt").model(),
        TWO,
        "'t2' always lies in 0..1.*logits as output",
    ),
    "one channel that is never negative, as depth": (
        lambda: Graph(1).put("Relu").model(),
        TWO,
        "'t1' is one channel that is never negative.*Relu 'Relu_1' makes it so.*semantic segmentation",
    ),
    "a threshold for labels without scores": (not_taken_off, sure(THREE), "'indices' says which class.*Leave it out"),
    "labels smaller than the input": (
        lambda: Graph(3, 2).put("ArgMax", axis=1).model(INT64),
        low(),
        "holds labels of 8x12 where .*without its ArgMax.*`upsample='bilinear'`",
    ),
    "labels that are no class": (
        lambda: Graph(5).put("ArgMax", axis=1, select_last_index=1).model(INT64),
        THREE,
        "holds labels, up to 4, for 3 classes.*in `classes`",
    ),
    "labels drawn as grey values": (
        lambda: drawn("Mul", np.float32(127)),
        THREE,
        "'t3' is a drawing of the labels.*ArgMax 'ArgMax_1' .*Mul 'Mul_3' multiplies them.*scores 'y' as its output",
    ),
    "labels drawn in colours": (in_colors, THREE, "a drawing of the labels.*Gather 'Gather_2' .*table of colours.*'y'"),
    "scores stretched picture by picture, as U-2-Net's masks are": (
        stretched,
        TWO,
        "is stretched picture by picture: the Reduce.* of the whole picture.*with 't1' as its output",
    ),
    "an output larger than the input": (
        lambda: Graph().resize().model(),
        THREE,
        "32x48, is larger than the input .*without its last enlargement",
    ),
    "pixels prepared twice": (pixels_twice, THREE, r"prepares its pixels itself \('scale' .*`value_range=255`"),
    "mean and std for uint8 pixels": (lambda: Graph(kind=UINT8, last=True).model(), THREE, "Leave both out"),
    "four bands": (lambda: Graph(channels=4).model(), THREE, "takes 4 channels.*the three of colour"),
    "a batch that is written into the graph": (fixed_batch, THREE, "takes 4 pictures at once.*batch of 1"),
    "boxes and prototypes, as YOLO-seg": (
        lambda: outputs(values("output0", (1, 116, 8400)), values("output1", (1, 32, 160, 160))),
        THREE,
        "instance segmentation network .*YOLO-seg.*semantic segmentation",
    ),
    "boxes, as YOLO": (lambda: outputs(values("output0", (1, 84, 8400))), THREE, "a detection network.*semantic"),
    "boxes, classes and masks of objects, as Mask R-CNN": (
        lambda: outputs(BOXES, values("labels", ("n",), INT64), values("scores", ("n",)), MASKS),
        THREE,
        "instance segmentation network .*Mask R-CNN.*semantic",
    ),
    "classes and masks of queries, as MaskFormer": (
        lambda: outputs(values("class_queries_logits", (1, 100, 151)), values("masks_queries_logits", (1, 100, 8, 8))),
        THREE,
        "each of its queries .*post-processing inside",
    ),
    "a state from frame to frame, as RobustVideoMatting": (
        lambda: outputs(values("pha", (1, 1, H, W)), values("r1o", (1, 9, 8, 8)), also=(values("r1i", (1, 9, 8, 8)),)),
        TWO,
        "a recurrent network.*r1i.*whose only input is the image",
    ),
    "prompts, as SAM": (
        lambda: outputs(values("masks", (1, 1, H, W)), also=(values("point_coords", (1, 2, 2)),)),
        TWO,
        "prompted .*'point_coords'.*semantic",
    ),
    "a classifier": (lambda: outputs(values("logits", (1, 1000))), THREE, "a classifier.*semantic segmentation"),
    "depth": (lambda: outputs(values("predicted_depth", (1, H, W))), TWO, "measures depth.*semantic segmentation"),
}


DRAWN: dict[str, Callable[[], onnx.ModelProto]] = {
    "/ 2": lambda: drawn("Div", np.float32(2)),
    "/ 255": lambda: drawn("Div", np.float32(255)),
    "* 127, int64": lambda: drawn("Mul", np.int64(127), INT64),
    "* 127, uint8": lambda: drawn("Mul", np.uint8(127), UINT8),
    "+ 1": lambda: drawn("Add", np.int64(1), INT64),
    "2 -": lambda: Graph().put("ArgMax", axis=1).put("Sub", np.int64(2), first=True).model(INT64),
    "a table of grey values": lambda: (
        Graph().put("ArgMax", axis=1).put("Gather", np.uint8([0, 128, 255]), first=True).model(UINT8)
    ),
    "colours as float": lambda: in_colors(np.float32),
}


@pytest.mark.parametrize("flags", [THREE, TWO], ids=["three classes", "two"])
@pytest.mark.parametrize("name", DRAWN)
def test_labels_that_were_made_to_be_looked_at_are_declined(name, flags, tmp_path):
    onnx.save_model(DRAWN[name](), str(tmp_path / "net.onnx"))
    with pytest.raises(SpecError, match=r"is a drawing of the labels .*extract_model cuts the file there"):
        source_net(tmp_path / "net.onnx", flags)


@pytest.mark.parametrize("sigmoid", [True, False], ids=["sigmoid", "logits"])
@pytest.mark.parametrize("axes", [{}, {"axes": [2, 3]}, {"axes": [1, 2, 3]}, {"axes": [-1, -2]}], ids=str)
def test_scores_that_depend_on_the_whole_picture_are_declined(axes, sigmoid, tmp_path):
    onnx.save_model(stretched(sigmoid, **axes), str(tmp_path / "net.onnx"))
    with pytest.raises(SpecError, match="is stretched picture by picture"):
        source_net(tmp_path / "net.onnx", TWO)


def test_the_way_forward_for_a_drawing_is_one(tmp_path):
    """The file, cut where the message says, is read."""
    for build, flags in ((DRAWN["/ 2"], THREE), (in_colors, THREE), (stretched, TWO)):
        onnx.save_model(build(), str(tmp_path / "net.onnx"))
        with pytest.raises(SpecError) as told:
            source_net(tmp_path / "net.onnx", flags)
        found = re.search(r"with (?:the scores )?'(\w+)' as its output", str(told.value))
        assert found is not None
        onnx.utils.extract_model(str(tmp_path / "net.onnx"), str(tmp_path / "cut.onnx"), ["x"], [found[1]])
        assert source_net(tmp_path / "cut.onnx", flags).spec.task == ("binary" if flags is TWO else "multiclass")


def test_the_largest_of_the_classes_is_not_that_of_a_picture(tmp_path):
    """A softmax that is written out subtracts the largest logit of each pixel."""
    graph = Graph()
    y = graph.at
    largest = graph.put("ReduceMax", axes=[1], keepdims=1).at
    graph.at = y
    powers = graph.put("Sub", largest).put("Exp").at
    total = graph.put("ReduceSum", np.array([1], np.int64), keepdims=1).at
    graph.at = powers
    onnx.save_model(graph.put("Div", total).model(), str(tmp_path / "net.onnx"))
    assert source_net(tmp_path / "net.onnx", sure(THREE)).spec.has_threshold


@pytest.mark.parametrize("name", DECLINED)
def test_what_is_declined_is_declined_in_one_sentence_with_a_way_forward(name, tmp_path):
    build, flags, message = DECLINED[name]
    onnx.save_model(build(), str(tmp_path / "net.onnx"))
    with pytest.raises(SpecError, match=message):
        source_net(tmp_path / "net.onnx", flags)


def test_the_page_has_a_line_for_every_form_and_no_other() -> None:
    assert table("What is read how") == list(READ)
    assert table("What is declined, and what to do") == list(DECLINED)


def test_what_an_author_put_behind_his_scores_is_no_layer_for_quantisers(tmp_path):
    form = READ["Softmax, then a resize"]()
    onnx.save_model(form.model, str(tmp_path / "net.onnx"))
    source = source_net(tmp_path / "net.onnx", form.flags)
    names = {node.op_type: node.name for node in deployed_graph(source.proto, source.spec).graph.node}
    assert all(names[kind].startswith("edgeseg/") for kind in ("Resize", "Log", "Softmax"))
    assert names["Conv"].startswith("net/")


def test_a_threshold_inside_is_met_as_it_is_and_not_in_steps_of_eight_bits(tmp_path):
    form = READ["thresholded inside"]()
    onnx.save_model(form.model, str(tmp_path / "net.onnx"))
    source = source_net(tmp_path / "net.onnx", form.flags)
    made = onnx_artifact(source, OutputOptions(tmp_path, "net"), None, synthetic_samples(source.spec)).artifact
    assert made.spec.threshold == pytest.approx(0.3)
    with open_predictor(made) as predict:
        for picture in pictures():
            raw = in_onnx_runtime(form.model, feed(form.model, picture, source))
            np.testing.assert_array_equal(predict(picture), form.labels(raw))


def test_sigmoids_that_are_to_exclude_each_other_are_told_of(tmp_path):
    onnx.save_model(Graph().put("Sigmoid").model(), str(tmp_path / "net.onnx"))
    (note,) = source_net(tmp_path / "net.onnx", THREE).notes
    assert re.search(r"[\d.]+ % of the pixels reach 0.5 in no class and [\d.]+ % in several.*`task='multilabel'`", note)


def test_values_of_a_sigmoid_on_no_usual_scale_are_refused(tmp_path):
    onnx.save_model(Graph(1).put("Sigmoid").put("Mul", np.float32(50)).model(), str(tmp_path / "net.onnx"))
    with pytest.raises(SpecError, match=r"'t2' always lies in 0\.\.50.*logits as output"):
        source_net(tmp_path / "net.onnx", TWO)


def test_pixels_in_one_row_are_refused_with_their_shape(tmp_path):
    flat = Graph(3).put("Reshape", np.array([1, 3, -1], np.int64)).model(1, (1, 3, H * W))
    onnx.save_model(flat, str(tmp_path / "net.onnx"))
    with pytest.raises(SpecError, match=r"has the shape \[1, 3, 384\]; one score a class for every pixel"):
        source_net(tmp_path / "net.onnx", THREE)


def test_dropout_and_batch_norm_of_an_evaluated_network_are_taken(tmp_path):
    for build in (dropout, batch_norm):
        onnx.save_model(build(False), str(tmp_path / "net.onnx"))
        assert source_net(tmp_path / "net.onnx", THREE).notes == ()
