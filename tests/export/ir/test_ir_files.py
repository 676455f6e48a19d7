"""OpenVINO IR of anybody: each layer gives what OpenVINO gives, and OpenVINO is the reference of exports."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from ir_forms import DIRECT, NETS, H, W, direct
from openvino.preprocess import ColorFormat, PrePostProcessor
from torch import nn
from your_network import run_blocks

from edgeseg.artifact import Artifact
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError, SpecError
from edgeseg.export.build import onnx_artifact, openvino_artifact
from edgeseg.export.graphs.ort_session import make_run
from edgeseg.export.ir.ir_net import convert_ir, open_ir
from edgeseg.export.source.foreign_net import probe_inputs
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import synthetic_samples
from edgeseg.runtime.engines.openvino_core import shared_core

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
THREE = SpecFlags(classes=("other", "sky", "road"), color_order="rgb", task="multiclass", **IMAGENET)
FOUR = SpecFlags(classes=("a", "b", "c", "d"), color_order="rgb", task="multiclass", **IMAGENET)


def save(net: nn.Module, path: Path, compress: bool = True, **more: object) -> Path:
    """Write a network as OpenVINO's converter does by default, its weights in float16."""
    torch.manual_seed(0)
    shape = more.get("shape", [1, 3, H, W])
    with quiet():
        model = openvino.convert_model(net.eval(), example_input=torch.zeros(1, 3, H, W))
    model.reshape(shape)
    openvino.save_model(model, path, compress_to_fp16=compress)
    return path


def run_in_openvino(path: Path, values: np.ndarray) -> np.ndarray:
    compiled = shared_core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(values)[0])


def check_layer(path: Path) -> None:
    model = convert_ir(open_ir(path), None, 3, None).model
    values = np.random.default_rng(0).standard_normal((1, 3, H, W)).astype(np.float32)
    found, wanted = make_run(model)(values)[0], run_in_openvino(path, values)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    assert np.abs(found.astype(np.float64) - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("name", NETS)
def test_a_network_of_torch_gives_what_openvino_gives(name, tmp_path):
    torch.manual_seed(1)
    check_layer(save(NETS[name](), tmp_path / "net.xml"))


@pytest.mark.parametrize("name", DIRECT)
def test_a_layer_of_openvino_gives_what_openvino_gives(name, tmp_path):
    openvino.save_model(direct(name), tmp_path / "net.xml")
    check_layer(tmp_path / "net.xml")


def check_masks(path: Path, flags: SpecFlags) -> None:
    """The reference's masks are OpenVINO's own, and those of artifacts the same."""
    source = source_net(path, flags)
    assert source.stage == "openvino ir"
    assert source.predict is not None
    samples = synthetic_samples(source.spec)
    for probe in probe_inputs(source.spec):
        scores = run_in_openvino(path, probe)
        np.testing.assert_array_equal(
            source.predict(probe).labels, scores[0].argmax(0) if scores.ndim == 4 else scores[0]
        )
    place = OutputOptions(path.parent / "made", source.name)
    first = onnx_artifact(source, place, None, samples)
    second = openvino_artifact(source, first.artifact, place, samples)
    assert (first.comparison.stages[1].agreement, second.comparison.stages[1].agreement) == (1, 1)
    assert source.parents.items() <= second.artifact.parents.items()


def test_a_file_of_the_field_is_exported(data_dir, tmp_path):
    for name in ("ir.xml", "ir.bin"):
        shutil.copyfile(data_dir / "field" / "16-foreign-kinds" / name, tmp_path / name)
    check_masks(tmp_path / "ir.xml", THREE)


def test_argmax_inside_is_read(tmp_path):
    check_masks(save(NETS["best"](), tmp_path / "best.xml"), FOUR)


def test_open_sizes_are_fixed_as_asked(tmp_path):
    path = save(NETS["softmax"](), tmp_path / "open.xml", shape=[-1, 3, -1, -1])
    with pytest.raises(SpecError, match=r"Still needed: `imgsz="):
        source_net(path, FOUR)
    spec = source_net(path, SpecFlags(**{**vars(FOUR), "imgsz": (24, 32)})).spec
    assert (spec.height, spec.width) == (24, 32)


def test_pixels_that_the_file_prepares_itself_are_taken_as_they_are(tmp_path):
    """As PrePostProcessor writes it: uint8 BGR with its channels last."""
    torch.manual_seed(1)
    with quiet():
        model = openvino.convert_model(NETS["softmax"]().eval(), example_input=torch.zeros(1, 3, H, W))
    model.reshape([1, 3, H, W])
    steps = PrePostProcessor(model)
    pixels = steps.input().tensor().set_element_type(openvino.Type.u8)
    pixels.set_layout(openvino.Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    prepared = steps.input().preprocess().convert_element_type(openvino.Type.f32).convert_color(ColorFormat.RGB)
    prepared.mean([123.0, 116.0, 103.0]).scale([58.0, 57.0, 57.0])
    openvino.save_model(steps.build(), tmp_path / "ready.xml")
    flags = SpecFlags(classes=("a", "b", "c", "d"), color_order="bgr", task="multiclass")
    source = source_net(tmp_path / "ready.xml", flags)
    assert source.takes_pixels
    picture = np.random.default_rng(0).integers(0, 256, (1, H, W, 3), dtype=np.uint8)
    assert source.predict is not None
    found = source.predict(picture.transpose(0, 3, 1, 2).astype(np.float32)).labels
    np.testing.assert_array_equal(found, run_in_openvino(tmp_path / "ready.xml", picture)[0].argmax(0))


def test_a_quantised_file_is_refused(tmp_path):
    model = shared_core().read_model(save(NETS["strided"](), tmp_path / "float.xml"))
    layer = next(node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution")
    limits = [openvino.opset13.constant(value, np.float32) for value in (-1, 1, -1, 1)]
    fake = openvino.opset13.fake_quantize(layer.input_value(0), *limits, 256)
    layer.input(0).replace_source_output(fake.output(0))
    openvino.save_model(model, tmp_path / "int8.xml")
    with pytest.raises(ArtifactError, match=r"is quantised already: FakeQuantize .*from before quantisation"):
        source_net(tmp_path / "int8.xml", THREE)


def test_layers_that_are_not_read_are_named(tmp_path):
    path = save(NETS["chosen"](), tmp_path / "net.xml")
    model = shared_core().read_model(path)
    value = openvino.opset13.cum_sum(model.outputs[0].get_node().input_value(0), openvino.opset13.constant(1))
    openvino.save_model(openvino.Model([value], model.get_parameters()), tmp_path / "sum.xml")
    with pytest.raises(ArtifactError, match=r"does not read from OpenVINO IR: CumSum\. Give the ONNX file"):
        source_net(tmp_path / "sum.xml", FOUR)


def test_a_file_without_its_weights_says_which_are_missing(tmp_path):
    path = save(NETS["strided"](), tmp_path / "net.xml")
    (tmp_path / "net.bin").unlink()
    with pytest.raises(ArtifactError, match=r"keeps its weights in net\.bin, which is not there"):
        source_net(path, FOUR)


def test_a_file_that_ends_early_is_refused(tmp_path):
    path = save(NETS["strided"](), tmp_path / "net.xml")
    text = path.read_bytes()
    for length in (40, len(text) // 3, len(text) - 60):
        path.write_bytes(text[:length])
        with pytest.raises(ArtifactError, match=str(path)):
            source_net(path, FOUR)
    path.write_bytes(text)
    weights = (tmp_path / "net.bin").read_bytes()
    (tmp_path / "net.bin").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ArtifactError, match=str(path)):
        source_net(path, FOUR)


def test_flipped_bytes_are_read_or_refused(data_dir, tmp_path):
    shutil.copyfile(data_dir / "field" / "16-foreign-kinds" / "ir.bin", tmp_path / "ir.bin")
    text = (data_dir / "field" / "16-foreign-kinds" / "ir.xml").read_bytes()
    chance, found, path = np.random.default_rng(0), set(), tmp_path / "ir.xml"
    for number in range(60):
        broken = bytearray(text)
        for place in chance.integers(0, len(text), 2):
            broken[place] = chance.choice(list(b"0123456789<>,-ax\xff"))
        path.write_bytes(text if number == 0 else broken)
        try:
            convert_ir(open_ir(path), None, 3, None)
            found.add("read")
        except ArtifactError as error:
            found.add("refused" if str(path) in str(error) else str(error))
    assert found == {"read", "refused"}


def test_the_model_of_an_artifact_is_sent_to_its_folder(data_dir, tmp_path):
    for name in ("ir.xml", "ir.bin"):
        shutil.copyfile(data_dir / "field" / "16-foreign-kinds" / name, tmp_path / name)
    source = source_net(tmp_path / "ir.xml", THREE)
    samples = synthetic_samples(source.spec)
    place = OutputOptions(tmp_path / "made", source.name)
    artifact = openvino_artifact(source, onnx_artifact(source, place, None, samples).artifact, place, samples).artifact
    assert isinstance(artifact, Artifact)
    for name in ("model.xml", "model.bin"):
        shutil.copyfile(artifact.path / name, tmp_path / name)
    with pytest.raises(ArtifactError, match=r"model of an edgeseg artifact without its manifest"):
        source_net(tmp_path / "model.xml", THREE)


def test_the_page_exports_one(data_dir, tmp_path, monkeypatch, capsys):
    for name in ("ir.xml", "ir.bin"):
        shutil.copyfile(data_dir / "field" / "16-foreign-kinds" / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    run_blocks("OpenVINO IR")
    assert "openvino ir" in capsys.readouterr().out
    assert (tmp_path / "artifacts" / "ir-fp32-openvino" / "edgeseg.json").is_file()
