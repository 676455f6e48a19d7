"""The benchmark's own arithmetic, with the double of a GPU: its figures mean nothing, its loops and its page do."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from gpu_double import CudaDouble, tensorrt_double
from linear_model import ArtifactMaker
from tensorrt_artifacts import double_library, for_tensorrt, no_gpu

from edgeseg.runtime.cuda_calls import Cuda
from edgeseg.runtime.engine import EngineOptions
from edgeseg.runtime.tensorrt_engine import TensorRtEngine

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tensorrt_engine.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    found = importlib.util.spec_from_file_location("tensorrt_benchmark", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


def test_an_engine_is_timed_and_compared(bench: ModuleType, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    artifact, cuda = for_tensorrt(tiny_artifact("onnx"), tmp_path), CudaDouble()
    library = double_library(tensorrt_double(trt, cuda, artifact.spec, artifact.outputs))
    engine = TensorRtEngine(artifact, EngineOptions(cache_dir=tmp_path / "engines"), Cuda(cuda), library)
    images = bench.pictures(None, artifact.spec)
    timed = bench.timed_engine("tiny", engine, images, bench.exact(artifact), rounds=2, runs=2)
    assert set(timed.ms) == {"run", "bare loop", "inference alone"}
    assert timed.parity > 0.999
    page = bench.markdown([timed], engine.describe(), "python benchmarks/tensorrt_engine.py X")
    assert "- GPU: Orin (SM 8.7, 8192 MB shared with the CPU), driver for CUDA 12.6" in page
    assert f"| tiny | {timed.ms['run']:.3f} | {timed.ms['bare loop']:.3f} | {timed.overhead:.3f} |" in page


def test_other_masks_lower_the_parity(bench: ModuleType, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    spec = tiny_artifact("onnx").spec
    one = bench.exact(for_tensorrt(tiny_artifact("onnx"), tmp_path))
    other_spec = spec.replace(mean=(0.1, 0.9, 0.1))
    other = bench.exact(for_tensorrt(tiny_artifact("onnx", other_spec), tmp_path / "other"))
    assert bench.agreement(one, one, bench.pictures(None, spec)) == 1
    assert bench.agreement(one, other, bench.pictures(None, spec)) < 0.9


def test_without_a_gpu_nothing_is_written(tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    if not no_gpu():
        pytest.skip("there is a GPU here")
    artifact = for_tensorrt(tiny_artifact("onnx"), tmp_path)
    command = [sys.executable, str(SCRIPT), str(artifact.path), "--device", "rtx:0", "--out", str(tmp_path / "r.md")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3, done.stderr
    assert "No GPU can be used" in done.stderr
    assert not (tmp_path / "r.md").exists()
