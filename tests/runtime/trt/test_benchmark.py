"""The benchmark's own arithmetic, with the double of a GPU: its figures mean nothing, its loops and its page do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gpu_double import CudaDouble, Error, tensorrt_double
from linear_model import ArtifactMaker
from tensorrt_artifacts import double_library, for_tensorrt, no_gpu

import edgeseg
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.trt.cuda import Cuda
from edgeseg.runtime.trt.trt_engine import TensorRtEngine

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
SCRIPT = Path(__file__).parents[3] / "benchmarks" / "tensorrt_engine.py"


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
    timed = bench.timed_engine(artifact, engine, bench.pictures(None, artifact.spec), rounds=2, runs=2)
    assert set(timed.ms) == {"run", "bare loop", "inference alone"}
    assert timed.parity > 0.999
    page = bench.markdown([timed], engine.describe(), "python benchmarks/tensorrt_engine.py X")
    assert "- GPU: Orin (SM 8.7, 8192 MB shared with the CPU), driver for CUDA 12.6" in page
    assert f"| {artifact.path.name} | {timed.ms['run']:.3f} |  | {timed.ms['bare loop']:.3f} |" in page
    assert "Not measured: INT8 against torch float16" in page


def test_without_a_graph_there_is_no_bare_loop_to_compare_with(
    bench: ModuleType, tiny_artifact: ArtifactMaker, tmp_path: Path
) -> None:
    artifact, cuda = for_tensorrt(tiny_artifact("onnx"), tmp_path), CudaDouble()
    cuda.fail["cudaGraphInstantiate"] = Error.cudaErrorNotSupported
    library = double_library(tensorrt_double(trt, cuda, artifact.spec, artifact.outputs))
    engine = TensorRtEngine(artifact, EngineOptions(cache_dir=tmp_path / "engines"), Cuda(cuda), library)
    timed = bench.timed_engine(artifact, engine, bench.pictures(None, artifact.spec), rounds=1, runs=1)
    assert set(timed.ms) == {"run", "inference alone"}
    assert timed.name.endswith("(no CUDA graph)")
    assert "Not measured: the overhead" in bench.markdown([timed], {}, "x")


class TestGates:
    """INT8 1.5 times as fast as the faster torch float16; a run at most 5 % over the bare loop."""

    def results(self, bench: ModuleType, int8_ms: float, bare_ms: float = 1.0) -> list[Any]:
        engine = bench.Timed("a-int8-tensorrt", {"run": int8_ms, "bare loop": bare_ms}, 1.0, "int8")
        return [engine, *(bench.Timed(f"torch {ms}", {"run": ms}) for ms in (3.0, 1.5))]

    def test_held(self, bench: ModuleType) -> None:
        found = self.results(bench, 1.0)
        assert bench.missed(found) == []
        page = bench.markdown(found, {}, "x")
        assert "| a-int8-tensorrt | 1.000 | 1.50 x | 1.000 | 1.000 |" in page
        assert "Gates held" in page

    def test_missed(self, bench: ModuleType) -> None:
        found = self.results(bench, 1.06)
        (overhead, speed) = bench.missed(found)
        assert overhead == "a-int8-tensorrt: a run takes 1.060 of the bare loop; at most 1.05 is allowed."
        assert speed == "a-int8-tensorrt: 1.42 times as fast as torch float16; at least 1.5 is asked."
        assert f"- Missed: {speed}" in bench.markdown(found, {}, "x")


def test_the_page_names_the_versions(bench: ModuleType) -> None:
    found = bench.versions()
    assert set(found) == {"machine", "edgeseg", "cuda-bindings", "torch"}
    assert found["edgeseg"] == edgeseg.__version__


STUB = """#!/bin/sh
echo "$(basename "$0") $*" >>{log}
case "$(basename "$0") $*" in {cases} esac
"""


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh here")
class TestScript:
    """``benchmarks/gpu_results.sh`` with stubs for the programs that it calls."""

    def run(self, tmp_path: Path, cases: str) -> tuple[int, list[str]]:
        log = tmp_path / "log"
        for name in ("edgeseg", "python", "pytest"):
            path = tmp_path / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(STUB.format(log=log, cases=cases))
            path.chmod(0o755)
        places = {"BIN": str(tmp_path / "bin"), "WORK": str(tmp_path / "work"), "OUT": str(tmp_path / "page.md")}
        command = ["sh", "benchmarks/gpu_results.sh"]
        done = subprocess.run(command, cwd=SCRIPT.parents[1], env={**os.environ, **places}, check=False, timeout=60)
        return done.returncode, log.read_text().splitlines()

    def test_a_missed_gate_is_the_exit_code_and_the_tests_run_all_the_same(self, tmp_path: Path) -> None:
        code, calls = self.run(tmp_path, "*--checkpoint*) exit 1;;")
        assert code == 1
        assert calls[-1] == "pytest -m gpu -rs tests"

    def test_failed_tests_are_the_exit_code_of_a_page_that_is_fine(self, tmp_path: Path) -> None:
        assert self.run(tmp_path, "pytest*) exit 4;;")[0] == 4
        assert self.run(tmp_path, "nothing) ;;")[0] == 0

    def test_without_a_gpu_nothing_is_exported(self, tmp_path: Path) -> None:
        code, calls = self.run(tmp_path, "*tensorrt_engine.py*) exit 3;; *doctor*) exit 3;;")
        assert code == 3
        assert [call.split()[0:2] for call in calls] == [
            ["edgeseg", "doctor"],
            ["python", "benchmarks/tensorrt_engine.py"],
            ["pytest", "-m"],
        ]


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
