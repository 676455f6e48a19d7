"""Artifacts of the format ``tensorrt`` from those of ``linear_model``, and where their engines go in tests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.errors import EdgesegError
from edgeseg.runtime.trt.cuda import Cuda, Gpu, load_cuda
from edgeseg.runtime.trt.device_engine import EngineTarget
from edgeseg.runtime.trt.versions import RTX, Library, VersionFeatures, find_library, load_library

ORIN = Gpu(0, "Orin", "8.7", "12.6", 7620, True)


def for_tensorrt(parent: Artifact, folder: Path, settings: dict[str, Any] | None = None) -> Artifact:
    """The same ONNX file under the format ``tensorrt``."""
    path = artifact_dir(folder, parent.name, parent.precision, "tensorrt")
    manifest = {"name": parent.name, "precision": parent.precision, "format": "tensorrt", "spec": parent.spec}
    with writing_artifact(path, {**manifest, "outputs": list(parent.outputs)}) as staged:
        shutil.copyfile(parent.model_path, staged / "model.onnx")
        if settings is not None:
            (staged / "tensorrt.json").write_text(json.dumps(settings))
    return Artifact.open(path)


def rtx() -> Library:
    return find_library(RTX)


def bound_to_a_gpu() -> Library:
    """The real TensorRT-RTX under the rules of TensorRT 10: engines serve one GPU."""
    real = rtx()
    features = VersionFeatures(real.features.network_flags, real.features.max_opset, has_timing_cache=False)
    return Library(real.module, "tensorrt", "10.3.0", features)


def place(root: Path, library: Library | None = None, gpu: Gpu | None = ORIN) -> EngineTarget:
    return EngineTarget(library or bound_to_a_gpu(), gpu, root)


def double_library(module: Any) -> Library:
    return load_library(module, RTX)


def no_gpu() -> bool:
    """Whether this machine has none that CUDA can use."""
    from cuda.bindings import runtime

    return int(Cuda(runtime).runtime.cudaGetDeviceCount()[0]) != 0


def why_no_gpu() -> str:
    """The sentence that tests for a GPU are skipped with; empty where they can run."""
    try:
        library = find_library()
        gpu = load_cuda().gpu()
    except EdgesegError as error:
        return f"needs an NVIDIA GPU with TensorRT: {error}"
    newest_rtx = (12, 9)
    sm = tuple(int(part) for part in gpu.sm.split("."))
    if library.name == RTX and (sm == (9, 0) or not (7, 5) <= sm <= newest_rtx):
        return f"needs TensorRT: TensorRT-RTX does not run on {gpu.name} (SM {gpu.sm})"
    return ""
