"""A TensorRT artifact gets its engine for this device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.artifact import Artifact, open_artifact
from edgeseg.console.extras import require

if TYPE_CHECKING:
    from edgeseg.runtime.trt.device_engine import BuiltEngine, EngineTarget, FrameInput


def find_target(library: str | None = None) -> EngineTarget:
    """Find the TensorRT and the GPU that are here.

    Args:
        library: the module that builds, ``tensorrt`` or ``tensorrt_rtx``; None: the one that is installed.

    Raises:
        EnvironmentFault: one of them is not here.
    """
    from edgeseg.runtime.trt.cuda import load_cuda
    from edgeseg.runtime.trt.device_engine import EngineTarget
    from edgeseg.runtime.trt.versions import find_library

    found = find_library(library)
    gpu = load_cuda().gpu() if found.features.is_for_one_gpu else None
    return EngineTarget(found, gpu)


def build_engine(
    artifact: str | Path | Artifact,
    *,
    target: EngineTarget | None = None,
    engine_file: str | Path | None = None,
    trust: bool = False,
    frame_size: tuple[int, int] | None = None,
) -> BuiltEngine:
    """Build the engine of a ``tensorrt`` artifact, or find the one that was built before.

    Args:
        artifact: of the format ``tensorrt``.
        target: what it is for, see :func:`find_target`; None: what is here.
        engine_file: an engine to take instead of building one.
        trust: load ``engine_file``, which runs the code that is in it.
        frame_size: height and width of frames that the engine resizes itself.

    Raises:
        ArtifactError: the artifact has another format, or ``engine_file`` is no engine of it.
        UserError: ``engine_file`` without ``trust``.
        EnvironmentFault: TensorRT or the GPU is not here, or cannot build it.
    """
    from edgeseg.runtime.trt.device_engine import adopt_engine, device_engine

    opened, where = open_artifact(artifact), target or find_target()
    if engine_file is not None:
        adopt_engine(opened, where, Path(engine_file), trust)
    return device_engine(opened, where, frames=None if frame_size is None else _frame_input(opened, frame_size))


def _frame_input(artifact: Artifact, size: tuple[int, int]) -> FrameInput:
    """The one thing about an engine that needs onnx on the device."""
    require("onnx", "export")
    from edgeseg.export.graphs.gpu_resize import resize_onnx
    from edgeseg.runtime.trt.device_engine import FrameInput

    return FrameInput(size, lambda onnx: resize_onnx(onnx, artifact.spec, size))
