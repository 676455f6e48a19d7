"""A network in memory becomes proven artifacts by a call."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
import torch
from fitted import SPEC, fitted_net, scene, write_dataset
from torch import nn

import edgeseg
from edgeseg.errors import DataWarning
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def exported(data: Path, tmp_path_factory: pytest.TempPathFactory) -> edgeseg.Artifact:
    """The fitted network as OpenVINO, straight from Python."""
    return edgeseg.export_model(fitted_net(), spec=SPEC, data=data, out=tmp_path_factory.mktemp("out"), name="shapes")


def test_a_module_becomes_an_artifact_that_segments_what_it_segmented(exported):
    assert [path.name for path in sorted(exported.path.parent.iterdir())] == [
        "shapes-fp32-onnx",
        "shapes-fp32-openvino",
    ]
    assert exported.measured["stages"]["openvino fp32"]["agreement"] > 0.999
    assert exported.measured["iou_against"] == "masks"
    image, truth = scene(7)
    with edgeseg.load(exported) as model:
        assert (model(image).labels == truth).mean() > 0.9


def test_the_module_stays_as_it_was(tmp_path):
    net = fitted_net().train().double()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    artifact = edgeseg.export_model(net, spec=SPEC, format="onnx", out=tmp_path)
    assert artifact.path.name == "skipnet-fp32-onnx"
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert next(net.parameters()).dtype == torch.float64


def test_what_nobody_says_of_a_module_follows_from_it_or_is_assumed_and_said(tmp_path):
    net = fitted_net()
    whole = edgeseg.export_model(net, spec=SPEC, format="onnx", out=tmp_path / "whole")
    with pytest.warns(DataWarning) as warned:
        artifact = edgeseg.export_model(net, example=torch.zeros(1, 3, 64, 96), format="onnx", out=tmp_path)
    said = " ".join(str(one.message) for one in warned)
    assert "RGB with ImageNet's mean and std is assumed" in said
    assert "they are called class0, class1, class2" in said
    assert artifact.spec == SPEC.replace(classes=("class0", "class1", "class2"))
    image, _ = scene(7)
    with edgeseg.load(artifact) as some, edgeseg.load(whole) as all_of_it:
        np.testing.assert_array_equal(some(image).labels, all_of_it(image).labels)


def test_what_is_said_of_a_module_is_taken_without_a_warning(tmp_path):
    said = {"classes": ["a", "b", "c"], "imgsz": (64, 96), "color_order": "bgr", "mean": 0.5, "std": (0.5, 0.25, 0.5)}
    artifact = edgeseg.export_model(fitted_net(), **said, format="onnx", out=tmp_path)
    wanted = SPEC.replace(classes=("a", "b", "c"), color_order="bgr", mean=(0.5,) * 3, std=(0.5, 0.25, 0.5))
    assert artifact.spec == wanted


@pytest.mark.filterwarnings("ignore::edgeseg.errors.DataWarning")
def test_one_channel_in_is_grey_and_one_out_is_a_binary_task(tmp_path):
    torch.manual_seed(2)
    spec = edgeseg.export_model(nn.Conv2d(1, 1, 3, padding=1), imgsz=32, format="onnx", out=tmp_path).spec
    assert (spec.task, spec.classes, spec.color_order) == ("binary", ("background", "foreground"), "gray")
    assert (spec.height, spec.width) == (32, 32)


def test_parts_of_a_spec_are_taken_of_a_file_too(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_from_checkpoint(fitted_net(), SPEC).SerializeToString())
    parts = {"classes": SPEC.classes, "color_order": "rgb", "mean": SPEC.mean, "std": SPEC.std}
    assert edgeseg.export_model(path, **parts, format="onnx").spec == SPEC
    with pytest.raises(edgeseg.SpecError, match="Still needed: `mean="):
        edgeseg.export_model(path, classes=SPEC.classes, color_order="rgb")


def test_equal_weights_are_known_as_one_network_and_others_are_not(tmp_path):
    net, other = fitted_net(), fitted_net()
    with torch.no_grad():
        other.head.bias[0] += 0.5
    found = [
        edgeseg.export_model(n, spec=SPEC, format="onnx", out=tmp_path).parents for n in (net, fitted_net(), other)
    ]
    assert found[0] == found[1] != found[2]


def test_nothing_is_printed_and_progress_is_told(data, tmp_path, capfd):
    told = []
    edgeseg.export_model(
        fitted_net(), spec=SPEC, data=data, format="onnx", out=tmp_path, progress=lambda *step: told.append(step)
    )
    assert capfd.readouterr() == ("", "")
    assert told[0] == ("verify onnx", 0, 8)
    assert told[-1] == ("verify onnx", 8, 8)


def test_an_onnx_file_needs_a_spec_as_a_module_does(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_from_checkpoint(fitted_net(), SPEC).SerializeToString())
    with pytest.raises(edgeseg.SpecError, match="nobody knows what its pixels and classes mean"):
        edgeseg.export_model(path)
    artifact = edgeseg.export_model(path, spec=SPEC.replace(ignore_index=7), format="onnx")
    assert artifact.path == tmp_path / "artifacts" / "net-fp32-onnx"
    assert artifact.spec == SPEC.replace(ignore_index=7)


def test_an_artifact_is_a_source_and_its_own_spec_is_not_contradicted(exported, tmp_path):
    onnx = edgeseg.Artifact.open(exported.path.parent / "shapes-fp32-onnx")
    again = edgeseg.export_model(onnx, spec=onnx.spec.replace(threshold=0.6), format="onnx", out=tmp_path)
    assert again.outputs == ("labels", "confidence")
    with pytest.raises(edgeseg.SpecError, match="has another classes, mean"):
        edgeseg.export_model(onnx, spec=SPEC.replace(classes=("a", "b", "c"), mean=(0, 0, 0)), out=tmp_path)


class Two(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"near": x, "far": 2 * x}


class NotFinite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float("nan")))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x


@pytest.mark.parametrize(
    ("net", "changes", "error", "message"),
    [
        (Two(), {}, edgeseg.SpecError, "nothing says which are its logits"),
        (NotFinite(), {}, edgeseg.CheckpointError, "of this network has NaN or infinity in its scale"),
        (nn.Conv2d(3, 5, 1), {}, edgeseg.SpecError, "has 5 channel.* with 3 classes needs"),
        (
            nn.Conv2d(3, 3, 1),
            {"spec": None},
            edgeseg.UserError,
            r"which size .* `imgsz=\(H, W\)`, or an example",
        ),
        (
            nn.Conv2d(3, 3, 1),
            {"classes": ("a", "b", "c")},
            edgeseg.UserError,
            "`spec` says it all; leave `classes` out",
        ),
        (nn.Conv2d(3, 3, 1), {"spec": None, "example": 3}, edgeseg.UserError, "`example` is a tensor .* found int"),
        (nn.Conv2d(3, 3, 1), {"spec": None, "imgsz": "64"}, edgeseg.UserError, r"`imgsz` is \(H, W\) .* found '64'"),
        (
            nn.Conv2d(3, 3, 1),
            {"spec": None, "imgsz": 64, "mean": 0},
            edgeseg.SpecError,
            "`mean=.*` and `std=",
        ),
        (nn.Conv2d(3, 3, 1), {"spec": None, "imgsz": 64, "classes": ("a", "b")}, edgeseg.SpecError, "gives 3 channel"),
        (nn.Conv2d(4, 3, 1), {"spec": None, "imgsz": 64}, edgeseg.SpecError, "does not run at 64x64.* 4 channels"),
        (Two(), {"spec": None, "imgsz": 64}, edgeseg.SpecError, "several results .* Say `classes="),
        (nn.Conv2d(3, 3, 1), {"format": "tflite"}, edgeseg.UserError, "`format` is one of onnx, openvino, tensorrt"),
        (nn.Conv2d(3, 3, 1), {"half": True}, edgeseg.UserError, "`half=True` is for TensorRT"),
        (nn.Conv2d(3, 3, 1), {"name": "../x"}, edgeseg.UserError, "`name` is a plain name"),
        (nn.Conv2d(3, 3, 1), {"outputs": ("boxes",)}, edgeseg.UserError, "takes labels"),
        (np.zeros(3), {}, edgeseg.UserError, "torch.nn.Module, the path of a file, or a call .* found ndarray"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(net, changes, error, message, tmp_path):
    with pytest.raises(error, match=message):
        edgeseg.export_model(net, **{"spec": SPEC, "out": tmp_path / "out", **changes})
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::edgeseg.errors.DataWarning")
def test_the_examples_do_what_they_show(data, tmp_path, monkeypatch):
    """From the module to the scores, each going on from the one before it."""
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(data)
    names = {"edgeseg": edgeseg, "net": fitted_net()}
    for function in (edgeseg.export_model, edgeseg.quantize, edgeseg.verify, edgeseg.evaluate):
        (example,) = doctest.DocTestFinder(recurse=False).find(function, globs=names)
        assert example.examples
        example.globs = names
        said: list[str] = []
        failed = doctest.DocTestRunner().run(example, out=said.append, clear_globs=False).failed
        assert not failed, "".join(said)
