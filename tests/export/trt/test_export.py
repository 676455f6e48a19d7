"""``edgeseg export --format tensorrt | engine | engine-rtx`` as typed, with the real builder of TensorRT-RTX."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from fitted import CLASSES, SPEC, scene

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.image import fit
from edgeseg.models.registry import build_model
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.engines.exact_engine import ExactEngine
from edgeseg.runtime.trt.build_settings import BuildSettings, is_half, read_settings
from edgeseg.runtime.trt.onnx_header import read_onnx_header
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
NORM = ["--mean", *map(str, SPEC.mean), "--std", *map(str, SPEC.std), "--color-order", "rgb"]
SPEC_FLAGS = ["--classes", ",".join(CLASSES), *NORM]


@pytest.fixture(scope="module")
def foreign(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "blobs.onnx"
    onnx.save_model(source.proto, str(path))
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    spec = ModelSpec("binary", ("background", "cell"), 32, 48, "gray", (0.5,), (0.25,))
    path = tmp_path_factory.mktemp("run") / "best.pt"
    model = build_model("unet", spec, {"width": 0.25})
    save_checkpoint(path, {"name": "unet", "options": {"width": 0.25}}, spec, model.state_dict(), {})
    return path


def export(foreign, out, *flags):
    return main(["export", str(foreign), *SPEC_FLAGS, "--out", str(out), *flags])


def labels(artifact: Artifact) -> np.ndarray:
    slot = ExactEngine(artifact, EngineOptions()).open_slot()
    fit(scene(7)[0], artifact.spec, out=slot.input)
    return slot.run().labels.copy()


def test_one_command_makes_an_engine_of_proven_int8(foreign, data, tmp_path, capsys):
    flags = ["--format", "engine-rtx", "--int8", "--data", str(data), "-n", "8", "--max-drop", "2", "--json"]
    assert export(foreign, tmp_path, *flags) == 0
    made = json.loads(capsys.readouterr().out)
    assert [one["precision"] + one["format"] for one in made] == ["fp32onnx", "int8tensorrt"]
    engine = made[-1]["engine"]
    assert Path(engine["path"]).read_bytes()[:4] == b"vtrt"
    assert (engine["is_new"], engine["library"], engine["gpu"]) == (True, "tensorrt_rtx", "any")
    assert engine["onnx"] == Artifact.open(made[-1]["path"]).files["model.onnx"]


def test_the_same_with_float16_for_the_rest(foreign, data, tmp_path, capsys):
    flags = ["--format", "engine-rtx", "--int8", "--half", "--data", str(data), "-n", "8", "--max-drop", "2", "--json"]
    assert export(foreign, tmp_path, *flags) == 0
    last = json.loads(capsys.readouterr().out)[-1]
    artifact = Artifact.open(last["path"])
    model = onnx.load_model(str(artifact.model_path))
    scales = {t.name: t.data_type for t in model.graph.initializer}
    kinds = {scales[node.input[1]] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert read_onnx_header(artifact.model_path.read_bytes()).opset == 19
    assert artifact.measured["half"]["stages"]
    assert artifact.measured["drop_points"] <= 2
    assert "report.html" in artifact.files
    assert is_half(artifact)


@pytest.mark.parametrize(
    ("task", "flags"),
    [
        ("multiclass", ()),
        ("multiclass", ("--half",)),
        ("multiclass", ("--int8", "--max-drop", "2", "-n", "8")),
        ("binary", ()),
        ("binary", ("--half",)),
    ],
    ids=str,
)
def test_bytes_are_made_from_floats_alone(task, flags, foreign, data, tmp_path, capsys, checkpoint):
    """TensorRT 8.6 refuses a Cast from int64 or bool to uint8."""
    data_flag = ("--data", str(data)) if "--int8" in flags else ()
    if task == "multiclass":
        assert export(foreign, tmp_path, "--format", "tensorrt", *flags, *data_flag) == 0
    else:
        assert main(["export", str(checkpoint), "--format", "tensorrt", "--out", str(tmp_path), *flags]) == 0
    (path,) = tmp_path.glob("*-tensorrt/model.onnx")
    model = onnx.shape_inference.infer_shapes(onnx.load_model(str(path)), strict_mode=True)
    kinds = {info.name: info.type.tensor_type.elem_type for info in (*model.graph.value_info, *model.graph.input)}
    casts = [n for n in model.graph.node if n.op_type == "Cast" and n.attribute[0].i == onnx.TensorProto.UINT8]
    assert {n.output[0] for n in casts} >= {"labels"}
    assert {kinds[n.input[0]] for n in casts} == {onnx.TensorProto.FLOAT}


def test_float16_is_cast_proven_and_told(foreign, tmp_path, capsys):
    assert export(foreign, tmp_path, "--format", "tensorrt", "--half") == 0
    assert "blobs-fp16-tensorrt" in capsys.readouterr().out
    artifact = Artifact.open(tmp_path / "blobs-fp16-tensorrt")
    parent = Artifact.open(tmp_path / "blobs-fp32-onnx")
    assert artifact.parents["fp32-onnx"] == parent.files["model.onnx"]
    assert artifact.model_path.stat().st_size < 0.75 * parent.model_path.stat().st_size
    told = json.loads((artifact.path / "tensorrt.json").read_text())
    assert told["half"] is True
    assert {one["operation"] for one in told["float32"]} <= {"Resize"}
    assert labels(artifact).max() > 0


def test_the_settings_travel_with_the_artifact(foreign, tmp_path, capsys):
    flags = ["--format", "tensorrt", "--workspace", "512", "--opt-level", "5", "--version-compatible"]
    assert export(foreign, tmp_path, *flags) == 0
    artifact = Artifact.open(tmp_path / "blobs-fp32-tensorrt")
    assert read_settings(artifact) == BuildSettings(512, None, 5, True, False)


def test_settings_reach_an_int8_artifact_that_keeps_its_proof(foreign, data, tmp_path, capsys):
    flags = ["--format", "tensorrt", "--int8", "--data", str(data), "-n", "8", "--max-drop", "2", "--opt-level", "4"]
    assert export(foreign, tmp_path, *flags) == 0
    artifact = Artifact.open(tmp_path / "blobs-int8-tensorrt")
    assert main(["export", str(artifact.path), "--format", "engine-rtx"]) == 0
    assert "what is not INT8 computes in float32" in capsys.readouterr().out
    assert read_settings(artifact).level == 4
    assert artifact.measured["drop_points"] <= 2
    assert artifact.calibration["images"] == 8


def test_an_artifact_that_came_from_elsewhere_only_needs_its_engine(foreign, tmp_path, capsys):
    assert export(foreign, tmp_path, "--format", "tensorrt") == 0
    artifact = str(tmp_path / "blobs-fp32-tensorrt")
    capsys.readouterr()
    assert main(["export", artifact, "--format", "engine-rtx"]) == 0
    assert "built: tensorrt_rtx" in capsys.readouterr().out
    assert main(["export", artifact, "--format", "engine-rtx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_new"] is False
    assert main(["export", artifact, "--format", "engine-rtx", "--opt-level", "5"]) == 2
    assert "says itself how its engine is built" in capsys.readouterr().err


def test_an_engine_that_resizes_is_one_of_its_own(foreign, tmp_path, capsys):
    assert export(foreign, tmp_path, "--format", "tensorrt") == 0
    artifact = str(tmp_path / "blobs-fp32-tensorrt")
    capsys.readouterr()
    made = []
    for more in ([], ["--gpu-resize", "144", "192"], ["--gpu-resize", "192", "144"], ["--gpu-resize", "144", "192"]):
        assert main(["export", artifact, "--format", "engine-rtx", "--json", *more]) == 0
        made.append(json.loads(capsys.readouterr().out))
    assert [one["is_new"] for one in made[1:]] == [True, True, False]
    assert len({one["path"] for one in made}) == 3
    assert len({one["onnx"] for one in made}) == 1
    assert '"frame": [144, 192]' in made[1]["settings"]


def test_a_foreign_engine_is_refused_or_explicitly_trusted(foreign, tmp_path, capsys):
    assert export(foreign, tmp_path, "--format", "tensorrt") == 0
    artifact, plan = str(tmp_path / "blobs-fp32-tensorrt"), tmp_path / "x.engine"
    plan.write_bytes(b"vtrt" + bytes(100))
    capsys.readouterr()
    ask = ["export", artifact, "--format", "engine-rtx", "--engine-file", str(plan)]
    assert main(ask) == 2
    assert "It is not loaded. Loading an engine runs the code in it" in capsys.readouterr().err
    assert main([*ask, "--trust", "--json"]) == 0
    path = Path(json.loads(capsys.readouterr().out)["path"])
    assert path.read_bytes() == plan.read_bytes()


@pytest.mark.parametrize(
    ("flags", "code", "sentence"),
    [
        (["--format", "onnx", "--half"], 2, "--half is for TensorRT"),
        (["--dla", "0"], 2, "--dla is for TensorRT"),
        (["--format", "tensorrt", "--trust"], 2, "--trust and --engine-file FILE go together"),
        (["--format", "tensorrt", "--prefer", "size"], 2, "--prefer times what can run here"),
        (["--format", "engine-rtx", "--half", "--dla", "0"], 2, "this device has no DLA cores"),
        (["--format", "tensorrt", "--int8", "--data", ".", "--dla", "0"], 2, "--dla needs --half and no --int8"),
        (["--format", "tensorrt", "--dla", "0"], 2, "--dla needs --half and no --int8"),
        (["--format", "engine-rtx", "--version-compatible"], 2, "serve every RTX GPU"),
        (["--format", "tensorrt", "--gpu-resize", "72", "96"], 2, "is for an engine that is built here"),
    ],
)
def test_what_cannot_be_is_said(flags, code, sentence, foreign, tmp_path, capsys):
    assert export(foreign, tmp_path, *flags) == code
    assert sentence in capsys.readouterr().err


def test_without_tensorrt_the_command_to_install_it_is_named(foreign, tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    assert export(foreign, tmp_path, "--format", "engine") == 3
    assert "TensorRT is needed for this but is not installed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
