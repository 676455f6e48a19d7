"""The engine keeps the contract of all engines, and its slot moves the fewest bytes and gives everything back."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from engine_contract import EngineContract
from gpu_double import CudaDouble, tensorrt_double
from linear_model import ArtifactMaker, reference
from tensorrt_artifacts import double_library, for_tensorrt, no_gpu

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, EngineError, UserError
from edgeseg.image import read_mask
from edgeseg.runtime.engines.engine import EngineOptions, open_engine
from edgeseg.runtime.trt import trt_engine as tensorrt_engine
from edgeseg.runtime.trt.cuda import Cuda, GpuLostError, GpuMemoryError
from edgeseg.runtime.trt.device_engine import EngineTarget, FrameInput, device_engine
from edgeseg.runtime.trt.engine_cache import EngineStore
from edgeseg.runtime.trt.slot import TensorRtSlot
from edgeseg.runtime.trt.trt_engine import Target, TensorRtEngine, engine_target
from edgeseg.spec import ModelSpec

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
Opener = Callable[..., TensorRtEngine]
FRAME = ["cudaSetDevice", "cudaGraphLaunch", "cudaStreamSynchronize"]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture
def cuda() -> CudaDouble:
    return CudaDouble()


@pytest.fixture
def tiny(tiny_artifact: ArtifactMaker, tmp_path: Path) -> Artifact:
    return for_tensorrt(tiny_artifact("onnx"), tmp_path)


def opened(artifact: Artifact, cuda: CudaDouble, root: Path, outputs: tuple[str, ...] | None = None) -> TensorRtEngine:
    module = tensorrt_double(trt, cuda, artifact.spec, outputs or artifact.outputs)
    return TensorRtEngine(artifact, EngineOptions(cache_dir=root), Cuda(cuda), double_library(module))


class TestContract(EngineContract):
    @pytest.fixture(autouse=True)
    def _maker(self, tiny_artifact: ArtifactMaker, tmp_path: Path, engines: Path) -> None:
        self.make, self.folder, self.root = tiny_artifact, tmp_path, engines

    def open(self, spec: ModelSpec, confidence: bool = True, slots: int = 1) -> TensorRtEngine:
        artifact = for_tensorrt(self.make("onnx", spec, confidence), self.folder)
        return opened(artifact, CudaDouble(), self.root)


class TestSlot:
    @pytest.fixture
    def slot(self, tiny: Artifact, cuda: CudaDouble, engines: Path) -> TensorRtSlot:
        return opened(tiny, cuda, engines).open_slot()

    def test_from_the_second_run_on_a_frame_is_one_launch(self, slot: TensorRtSlot, cuda: CudaDouble) -> None:
        slot.run()
        assert not slot.is_graph
        slot.run()
        assert slot.is_graph
        before = len(cuda.calls)
        slot.input[...] = 7
        labels = slot.run().labels
        assert cuda.calls[before:] == FRAME
        assert np.array_equal(labels, reference(slot.input, opened_spec(slot))[0])

    def test_what_cannot_be_recorded_runs_call_by_call(self, slot: TensorRtSlot, cuda: CudaDouble) -> None:
        slot.context.refuses_capture = True
        for value in (1, 2, 3, 4):
            slot.input[...] = 60 * value
            assert np.array_equal(slot.run().labels, reference(slot.input, opened_spec(slot))[0])
        assert not slot.is_graph
        assert cuda.calls.count("cudaStreamBeginCapture") == 1
        assert cuda.captured is None

    def test_a_graph_that_cannot_be_instantiated_is_no_error(self, slot: TensorRtSlot, cuda: CudaDouble) -> None:
        from gpu_double import Error

        cuda.fail["cudaGraphInstantiate"] = Error.cudaErrorNotSupported
        for _ in range(3):
            slot.run()
        assert not slot.is_graph
        assert "cudaGetLastError" in cuda.calls

    def test_closing_gives_everything_back(self, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        engine = opened(tiny, cuda, engines)
        slot = engine.open_slot()
        slot.run()
        prediction = slot.run()
        engine.close()
        kinds = [kind for kind, _ in cuda.memory.values()]
        assert kinds == ["pinned"] * 3
        assert (cuda.streams, cuda.graphs) == (set(), {})
        assert np.array_equal(prediction.labels, reference(slot.input, tiny.spec)[0])
        with pytest.raises(EngineError, match="closed"):
            slot.run()
        del slot, prediction, engine
        gc.collect()
        assert cuda.memory == {}

    def test_logits_are_computed_and_stay_on_the_gpu(self, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        slot = opened(tiny, cuda, engines, ("labels", "logits")).open_slot()
        slot.run()
        assert cuda.calls.count("cudaMemcpyAsync") == 2
        assert cuda.calls.count("cudaMalloc") == 3
        assert cuda.calls.count("cudaHostAlloc") == 2


def opened_spec(slot: TensorRtSlot) -> ModelSpec:
    spec: ModelSpec = slot.context.engine.spec
    return spec


class TestFrames:
    """Engines that take whole frames; what resizes them stands in the ONNX file that they were built from."""

    SIZE = (48, 80)

    def opened(self, artifact: Artifact, cuda: CudaDouble, root: Path, size: tuple[int, int]) -> TensorRtEngine:
        """An engine for frames of ``size`` where the loaded one takes those of :attr:`SIZE`."""
        module, image = tensorrt_double(trt, cuda, artifact.spec, artifact.outputs), (1, *self.SIZE, 3)

        class Runtime(module.Runtime):  # type: ignore[misc, name-defined]
            def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
                engine = super().deserialize_cuda_engine(serialized_engine)
                engine._shapes["image"] = image
                return engine

        module.Runtime = Runtime
        return TensorRtEngine(artifact, EngineOptions(cache_dir=root), Cuda(cuda), double_library(module), size)

    def test_nothing_is_built_without_the_graph(self, tiny: Artifact, cuda: CudaDouble, tmp_path: Path) -> None:
        said = r"resizes frames of 48x80 .*Export .* with `format='engine', gpu_resize=\(48, 80\)`"
        with pytest.raises(EngineError, match=said):
            self.opened(tiny, cuda, tmp_path, self.SIZE)

    def test_a_slot_takes_the_frame(self, tiny: Artifact, cuda: CudaDouble, tmp_path: Path) -> None:
        library = double_library(trt)
        device_engine(tiny, EngineTarget(library, None, tmp_path), frames=FrameInput(self.SIZE, lambda onnx: onnx))
        engine = self.opened(tiny, cuda, tmp_path, self.SIZE)
        assert engine.open_slot().input.shape == (*self.SIZE, 3)

    def test_an_engine_for_other_frames_is_refused(self, tiny: Artifact, cuda: CudaDouble, tmp_path: Path) -> None:
        library = double_library(trt)
        device_engine(tiny, EngineTarget(library, None, tmp_path), frames=FrameInput((9, 9), lambda onnx: onnx))
        with pytest.raises(ArtifactError, match=r"should be uint8 \(1, 9, 9, 3\) for frames; found \(1, 48, 80, 3\)"):
            self.opened(tiny, cuda, tmp_path, (9, 9))


class TestFailures:
    @pytest.mark.parametrize("function", ["cudaMalloc", "cudaHostAlloc"])
    def test_no_memory_for_a_slot(self, function: str, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        from gpu_double import Error

        engine = opened(tiny, cuda, engines)
        cuda.fail[function], cuda.fail_after[function] = Error.cudaErrorMemoryAllocation, 1
        with pytest.raises(GpuMemoryError, match=r"no memory left: out of memory .* Use fewer `slots`"):
            engine.open_slot()
        gc.collect()
        assert (cuda.memory, cuda.streams) == ({}, set())

    @pytest.mark.parametrize("function", ["cudaStreamSynchronize", "cudaGraphLaunch", "cudaMemcpyAsync"])
    def test_a_lost_device_ends_the_slot(self, function: str, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        from gpu_double import Error

        slot = opened(tiny, cuda, engines).open_slot()
        if function != "cudaMemcpyAsync":
            slot.run()
        cuda.fail[function] = Error.cudaErrorIllegalAddress
        with pytest.raises(GpuLostError, match="stopped answering: an illegal memory access"):
            slot.run()
        cuda.fail.clear()
        before = len(cuda.calls)
        with pytest.raises(GpuLostError, match="stopped answering"):
            slot.run()
        assert cuda.calls[before:] == []

    def test_tensorrt_refuses_to_infer(self, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        slot = opened(tiny, cuda, engines).open_slot()
        slot.context.refuses = True
        with pytest.raises(EngineError, match="TensorRT refused to infer: it gave no reason"):
            slot.run()

    def test_an_engine_for_another_network_is_refused(self, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        with pytest.raises(ArtifactError, match=r"has no tensor 'labels'.* The engine is \S+engine.plan; without it"):
            opened(tiny, cuda, engines, ("logits",))

    def test_an_engine_that_tensorrt_does_not_load(
        self, tiny: Artifact, cuda: CudaDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine, real = opened(tiny, cuda, tmp_path), EngineStore.get
        monkeypatch.setattr(EngineStore, "get", lambda store, key: b"garbage" if real(store, key) else None)
        engine.close()
        said = r"does not load \S+engine.plan, the engine of tiny-fp32-tensorrt: it gave no reason\. Remove that file"
        with pytest.raises(EngineError, match=said):
            opened(tiny, cuda, tmp_path)

    def test_a_runtime_that_does_not_start_says_why(self, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        module = tensorrt_double(trt, cuda, tiny.spec, tiny.outputs)

        def runtime(log: Any) -> None:
            log.log(trt.ILogger.WARNING, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

        module.Runtime = runtime
        with pytest.raises(
            EngineError, match=r"does not start: CUDA initialization failure with error: 35\. It is usually"
        ):
            TensorRtEngine(tiny, EngineOptions(cache_dir=engines), Cuda(cuda), double_library(module))

    @pytest.mark.parametrize(
        ("code", "sentence"),
        [
            ("cudaErrorInsufficientDriver", "No GPU can be used: the driver is missing or too old"),
            ("cudaErrorNoDevice", "The driver sees no GPU"),
            ("cudaErrorNotSupported", "CUDA refused: operation not supported"),
        ],
    )
    def test_no_gpu(self, code: str, sentence: str, tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
        from gpu_double import Error

        cuda.fail["cudaGetDeviceCount"] = getattr(Error, code)
        with pytest.raises(EngineError, match=sentence) as caught:
            opened(tiny, cuda, engines)
        assert caught.value.exit_code == 3

    def test_bindings_newer_than_the_driver_come_with_the_pip_line(self, cuda: CudaDouble) -> None:
        from gpu_double import OK, Error

        cuda.fail["cudaGetDeviceCount"] = Error.cudaErrorInsufficientDriver
        cuda.cudaRuntimeGetVersion = lambda: (OK, 13050)  # type: ignore[method-assign]
        with pytest.raises(
            EngineError, match=r"for CUDA 13.5 and the driver supports CUDA 12.6: .*pip install .cuda-bindings>=12,<13."
        ):
            Cuda(cuda).gpu()

    def test_a_gpu_that_is_not_there(self, cuda: CudaDouble) -> None:
        with pytest.raises(UserError, match="There is no GPU 3 here; found 1"):
            Cuda(cuda).gpu(3)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("CPU", Target(0)),
        ("cuda", Target(0)),
        ("cuda:1", Target(1)),
        ("2", Target(2)),
        ("rtx:1", Target(1, None, True)),
        ("dla:1", Target(0, 1)),
    ],
)
def test_devices(text: str, target: Target) -> None:
    assert engine_target(text) == target


@pytest.mark.parametrize("text", ["TOASTER", "", "cuda:x", "cuda:-1", "GPU.0"])
def test_a_device_that_is_none(text: str) -> None:
    with pytest.raises(UserError, match="TensorRT has no device"):
        engine_target(text)


def test_a_dla_is_chosen_when_the_engine_is_built(tiny: Artifact, cuda: CudaDouble, engines: Path) -> None:
    library = double_library(tensorrt_double(trt, cuda, tiny.spec, tiny.outputs))
    with pytest.raises(UserError, match=r"is built for the GPU; found `device='dla:0'`. Export it with"):
        TensorRtEngine(tiny, EngineOptions("dla:0", cache_dir=engines), Cuda(cuda), library)


def test_without_a_gpu_the_real_modules_say_what_to_install(tiny: Artifact, tmp_path: Path) -> None:
    if not no_gpu():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match=r"No GPU can be used: the driver is missing or too old\. Install"):
        open_engine(tiny, "rtx:0", cache_dir=tmp_path)


def test_a_file_quantised_for_another_engine_is_refused(
    tiny_artifact: ArtifactMaker, cuda: CudaDouble, tmp_path: Path
) -> None:
    import onnx

    parent = tiny_artifact("onnx")
    model = onnx.load(parent.model_path)
    onnx.helper.set_model_props(model, {"edgeseg.engine": "onnxruntime"})
    onnx.save(model, tmp_path / "model.onnx")
    foreign = for_tensorrt(dataclasses.replace(parent, path=tmp_path), tmp_path / "out")
    with pytest.raises(ArtifactError, match="was quantised for onnxruntime and is not run by tensorrt"):
        opened(foreign, cuda, tmp_path / "engines")


def test_run_on_a_device_builds_once_and_with_no_build_never(
    tiny: Artifact,
    cuda: CudaDouble,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library = double_library(tensorrt_double(trt, cuda, tiny.spec, tiny.outputs))
    monkeypatch.setattr(tensorrt_engine, "load_cuda", lambda: Cuda(cuda))
    monkeypatch.setattr(tensorrt_engine, "find_library", lambda name: library)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (tiny.spec.height, tiny.spec.width, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "in" / "one.png"), picture)
    command = ["run", str(tiny.path), "--source", str(tmp_path / "in"), "--save-masks", str(tmp_path / "out")]
    assert main([*command, "--no-build"]) == 3
    assert "There is no engine in" in capsys.readouterr().err
    for more in ([], ["--no-build"]):
        assert main([*command, *more]) == 0
        (mask,) = (tmp_path / "out").glob("*.png")
        assert np.array_equal(read_mask(mask), reference(picture, tiny.spec)[0])
        mask.unlink()
