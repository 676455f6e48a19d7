"""TensorRT behind the engine seam, driven by ``cuda-bindings``: no torch, no pycuda."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, EngineError, UserError
from edgeseg.runtime.engines.engine import INPUT, EngineOptions, expect_tensors
from edgeseg.runtime.engines.placement import Placement
from edgeseg.runtime.trt.build_settings import read_settings
from edgeseg.runtime.trt.cuda import Cuda, load_cuda
from edgeseg.runtime.trt.device_engine import BuiltEngine, EngineTarget, FrameInput, device_engine
from edgeseg.runtime.trt.diagnosis import describe_tensorrt
from edgeseg.runtime.trt.slot import Tensor, TensorRtSlot, list_tensors
from edgeseg.runtime.trt.trt_log import errors_since, open_log, start_log
from edgeseg.runtime.trt.versions import RTX, Library, find_library
from edgeseg.spec import ModelSpec

_DEVICE = re.compile(r"(cpu|gpu|cuda|rtx|dla)?(?::?(\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """What a device means here: a GPU, a DLA core of GPU 0, or TensorRT for RTX on a GPU."""

    gpu: int = 0
    dla: int | None = None
    is_rtx: bool = False


def engine_target(device: str) -> Target:
    """Parse a device: ``cuda``, ``cuda:1``, ``0``, ``rtx``, ``rtx:0`` or ``dla:0``.

    ``CPU``, the default of every verb, is GPU 0.

    Raises:
        UserError: something else.
    """
    found = _DEVICE.fullmatch(device.strip())
    if not found or not device.strip():
        raise UserError(f"TensorRT has no device {device!r}; there is cuda:0, rtx:0 and, on Jetson, dla:0.")
    kind, number = (found.group(1) or "cuda").lower(), int(found.group(2) or 0)
    if kind == "dla":
        return Target(0, number)
    return Target(0 if kind == "cpu" else number, None, kind == "rtx")


class TensorRtEngine:
    """A ``tensorrt`` artifact on an NVIDIA GPU; its engine is built first where there is none that fits.

    Args:
        artifact, options: what runs, where.
        cuda, library: default: those of this machine.
        frame_size: height and width of whole frames (BGR) that slots take instead of network inputs. The engine, which
            an export with ``gpu_resize`` has built, resizes them; masks keep the network's size.

    Raises:
        MissingExtra: TensorRT or cuda-bindings is not installed.
        EngineError: no GPU, no driver, or the engine is refused.
    """

    def __init__(
        self,
        artifact: Artifact,
        options: EngineOptions,
        cuda: Cuda | None = None,
        library: Library | None = None,
        frame_size: tuple[int, int] | None = None,
    ) -> None:
        target = engine_target(options.device)
        _expect_dla(artifact, target)
        self._target = target
        self.spec: ModelSpec = artifact.spec
        self._library = library or find_library(RTX if target.is_rtx else None)
        self._cuda = cuda or load_cuda()
        self._gpu = self._cuda.gpu(target.gpu)
        self._cuda.call("cudaSetDevice", target.gpu)
        place = EngineTarget(self._library, self._gpu, options.cache_dir)
        frames = FrameInput(frame_size) if frame_size is not None else None
        found = device_engine(artifact, place, options.may_build, frames=frames)
        self._log = open_log(self._library.module)
        self._slots: list[TensorRtSlot] = []
        self._engine = self._load(found, artifact, target)
        self._tensors = list_tensors(self._engine, self._library.module)
        _expect_contract(artifact, self._tensors, found.path, frame_size)

    def describe(self) -> dict[str, str]:
        """Describe library and GPU, for reports."""
        return {"library": self._library.title, "GPU": describe_tensorrt(self._gpu)}

    @property
    def placement(self) -> Placement:
        """Where TensorRT computes; it chooses precisions itself when it builds, TensorFloat-32 among them."""
        kind = "DLA" if self._target.dla is not None else "RTX" if self._target.is_rtx else "CUDA"
        return Placement(kind, "auto", self._gpu.name)

    def open_slot(self) -> TensorRtSlot:
        """Open a slot; raises EngineError when closed, GpuMemoryError when there is no memory for another one."""
        if self._engine is None:
            raise EngineError("This engine is closed; open it again before asking for a slot.")
        self._cuda.call("cudaSetDevice", self._gpu.index)
        mark = self._log.count
        context = self._engine.create_execution_context()
        if context is None:
            raise EngineError(f"TensorRT gives no context: {self._describe(mark)}. Use fewer `slots`.")
        slot = TensorRtSlot(self._cuda, self._gpu.index, context, self._tensors, lambda: self._describe(mark))
        self._slots = [*(slot for slot in self._slots if not slot.closed), slot]
        return slot

    def close(self) -> None:
        """Close every slot, then the engine."""
        while self._slots:
            self._slots.pop().close()
        self._engine = None

    def _load(self, found: BuiltEngine, artifact: Artifact, target: Target) -> Any:
        mark = self._log.count
        runtime = start_log(self._library.module.Runtime, self._log, self._library)
        if target.dla is not None:
            runtime.DLA_core = target.dla
        if read_settings(artifact).version_compatible:
            runtime.engine_host_code_allowed = True
        engine = runtime.deserialize_cuda_engine(found.plan)
        if engine is None:
            raise EngineError(
                f"{self._library.title} does not load {found.path}, the engine of {artifact.path.name}: "
                f"{self._describe(mark)}. Remove that file, and edgeseg builds it again."
            )
        self._runtime = runtime
        return engine

    def _describe(self, mark: int) -> str:
        return "; ".join(errors_since(self._log, self._library.module, mark)) or "it gave no reason"


def _expect_dla(artifact: Artifact, target: Target) -> None:
    """DLA or not is decided when an engine is built."""
    built_for = read_settings(artifact).dla
    if target.dla is not None and target.dla != built_for:
        found = "the GPU" if built_for is None else f"DLA core {built_for}"
        raise UserError(
            f"{artifact.path.name} is built for {found}; found `device='dla:{target.dla}'`. Export it with "
            f"`format='engine', dla={target.dla}`."
        )


def _expect_contract(
    artifact: Artifact, tensors: dict[str, Tensor], engine: Path, frame_size: tuple[int, int] | None
) -> None:
    """An engine that was taken from elsewhere may be that of another network."""
    try:
        tensors = tensors if frame_size is None else _fit_dtype(tensors, artifact.spec, frame_size)
        inputs, outputs = (
            [(tensor.name, tensor.kind, tensor.shape) for tensor in tensors.values() if tensor.is_input is side]
            for side in (True, False)
        )
        expect_tensors(artifact, inputs, outputs)
    except ArtifactError as error:
        raise ArtifactError(f"{error} The engine is {engine}; without it edgeseg builds one.") from None


def _fit_dtype(tensors: dict[str, Tensor], spec: ModelSpec, frame_size: tuple[int, int]) -> dict[str, Tensor]:
    """The tensors of an engine that resizes, as they would be without that."""
    wanted, image = (1, *frame_size, 3), tensors.get(INPUT)
    if image is None or image.shape != wanted:
        found = None if image is None else image.shape
        raise ArtifactError(f"Tensor {INPUT!r} should be uint8 {wanted} for frames; found {found}.")
    return {**tensors, INPUT: dataclasses.replace(image, shape=(1, spec.height, spec.width, spec.channels))}
