"""Every network of the registry becomes an engine in every precision, by the real parser and builder of TensorRT-RTX.

No GPU is needed for that, and none is pretended: what the masks are worth is measured in ONNX Runtime.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exported_nets import ExportNet
from fitted import scene
from tensorrt_zoo import SPEC, artifact_of, every_precision, halved

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.graphs.tensorrt_lint import lint
from edgeseg.models.registry import MODELS
from edgeseg.runtime.engines.exact_engine import exact_agreement
from edgeseg.runtime.trt.engine_from_onnx import BuildJob, build_engine
from edgeseg.runtime.trt.versions import RTX, find_library

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
MAGIC = b"vtrt"


@pytest.fixture(scope="module")
def images(data: Path) -> CalibrationSet:
    return load_set(data, SPEC, 4)


def logits(path: Path, picture: np.ndarray) -> np.ndarray:
    return np.asarray(session(path).run(["logits"], {"image": picture[None]})[0])


def session(path: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_a_network_becomes_an_engine_in_every_precision(
    name: str, images: CalibrationSet, exported: ExportNet, tmp_path: Path
) -> None:
    files = every_precision(artifact_of(name, exported, tmp_path), images, tmp_path)
    for precision, path in files.items():
        assert lint(onnx.load_model(str(path))) == [], precision
        engine = build_engine(BuildJob(path.read_bytes(), precision.split()[0]), find_library(RTX))
        assert engine[:4] == MAGIC, precision
    picture = np.random.default_rng(0).integers(0, 256, (SPEC.height, SPEC.width, 3), dtype=np.uint8)
    for precision in ("fp32", "int8"):
        wanted, found = logits(files[precision], picture), logits(files[f"{precision} half"], picture)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=0.02 * np.abs(wanted).max(), err_msg=precision)


def test_the_exact_engine_computes_half_files_like_float_ones(exported: ExportNet, tmp_path: Path) -> None:
    """Labels of a half file are the same with ONNX Runtime's optimisations and without."""
    path = halved(artifact_of("unet", exported, tmp_path).model_path, tmp_path / "half")
    assert exact_agreement(path, [scene(1, 64, 96)[0][None]]) > 0.999
