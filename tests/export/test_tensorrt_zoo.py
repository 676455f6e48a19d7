"""Every network of the registry becomes an engine in every precision, by the real parser and builder of TensorRT-RTX.

No GPU is needed for that, and none is pretended: what the masks are worth is measured in ONNX Runtime.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from fitted import scene
from model_contract import randomised, tiny

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.calibration.calibration_set import CalibrationSet, calibration_set
from edgeseg.calibration.encoding import encoding_for
from edgeseg.calibration.exact_engine import exact_agreement
from edgeseg.calibration.onnx_graph import load_graph
from edgeseg.calibration.recipe import USUAL
from edgeseg.calibration.tensorrt_lint import lint
from edgeseg.export.deployed_graph import deployed_graph
from edgeseg.export.half_graph import half_graph
from edgeseg.export.onnx_from_checkpoint import onnx_from_checkpoint
from edgeseg.models.registry import MODELS
from edgeseg.runtime.tensorrt_build import BuildJob, build_engine
from edgeseg.runtime.tensorrt_dialect import RTX, find_library
from edgeseg.spec import ModelSpec

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
SPEC = ModelSpec("multiclass", ("a", "b", "c"), 64, 96)
MAGIC = b"vtrt"


@pytest.fixture(scope="module")
def images(data: Path) -> CalibrationSet:
    return calibration_set(data, SPEC, 4)


def artifact_of(name: str, folder: Path) -> Artifact:
    torch.manual_seed(0)
    proto = onnx_from_checkpoint(randomised(tiny(name, SPEC)), SPEC)
    path = artifact_dir(folder, name, "fp32", "onnx")
    outputs = ["labels", "confidence", "logits"]
    manifest = {"name": name, "precision": "fp32", "format": "onnx", "spec": SPEC, "outputs": outputs}
    with writing_artifact(path, manifest) as staged:
        onnx.save_model(deployed_graph(proto, SPEC, outputs), str(staged / "model.onnx"))
    return Artifact.open(path)


def engine_of(path: Path, precision: str) -> bytes:
    return build_engine(BuildJob(path.read_bytes(), precision), find_library(RTX))


def halved(path: Path, folder: Path) -> Path:
    folder.mkdir()
    model, _ = half_graph(load_graph(path))
    onnx.save_model(model, str(folder / "model.onnx"))
    return folder / "model.onnx"


def logits(path: Path, picture: np.ndarray) -> np.ndarray:
    return np.asarray(session(path).run(["logits"], {"image": picture[None]})[0])


def session(path: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_network_becomes_an_engine_in_every_precision(name: str, images: CalibrationSet, tmp_path: Path) -> None:
    parent = artifact_of(name, tmp_path)
    (tmp_path / "int8").mkdir()
    encoding_for("tensorrt").quantise(parent, images, USUAL, tmp_path / "int8", lambda: None)
    files = {"fp32": parent.model_path, "int8": tmp_path / "int8/model.onnx"}
    assert lint(onnx.load_model(str(files["int8"]))) == []
    for precision in ("fp32", "int8"):
        files[f"{precision} half"] = halved(files[precision], tmp_path / f"{precision}-half")
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    for precision, path in files.items():
        assert engine_of(path, precision.split()[0])[:4] == MAGIC, precision
    for precision in ("fp32", "int8"):
        wanted, found = logits(files[precision], picture), logits(files[f"{precision} half"], picture)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=0.02 * np.abs(wanted).max(), err_msg=precision)


def test_the_exact_engine_computes_half_files_like_float_ones(images: CalibrationSet, tmp_path: Path) -> None:
    """Labels of a half file are the same with ONNX Runtime's optimisations and without."""
    parent = artifact_of("unet", tmp_path)
    path = halved(parent.model_path, tmp_path / "half")
    assert exact_agreement(path, [scene(1, 64, 96)[0][None]]) > 0.999
