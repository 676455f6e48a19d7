"""What TensorRT needs and what of it is here: driver, GPU, library, CUDA bindings, each with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeseg.errors import EdgesegError
from edgeseg.runtime.engines.diagnosis import Row
from edgeseg.runtime.trt.cuda import Cuda, Gpu, load_cuda
from edgeseg.runtime.trt.versions import RTX, TENSORRT, Library, find_library


def tensorrt_rows(library: Callable[[str], Library] = find_library, cuda: Callable[[], Cuda] = load_cuda) -> list[Row]:
    """Write one row for TensorRT, and one for TensorRT-RTX where it is installed."""
    gpu, missing = _look(lambda: cuda().gpu())
    rows = [_row("TensorRT", library, TENSORRT, gpu, missing)]
    rtx, _ = _look(lambda: library(RTX))
    return rows + ([_row("TensorRT-RTX", library, RTX, gpu, missing)] if rtx is not None else [])


def _row(title: str, library: Callable[[str], Library], name: str, gpu: Gpu | None, no_gpu: str) -> Row:
    """Everything that is missing is said at once, so that nobody has to come back for the next thing."""
    found, no_library = _look(lambda: library(name))
    if found is None or gpu is None:
        can_build = "it can build engines here, but not run them: " if found is not None and name == RTX else ""
        return title, None, can_build + " ".join(reason for reason in (no_library, no_gpu) if reason)
    return title, f"{found.version}, {describe_tensorrt(gpu)}", ""


def describe_tensorrt(gpu: Gpu) -> str:
    """Describe the GPU: ``Orin (SM 8.7, 7620 MB shared), driver for CUDA 12.6``."""
    shared = " shared with the CPU" if gpu.is_integrated else ""
    return f"{gpu.name} (SM {gpu.sm}, {gpu.memory_mb} MB{shared}), driver for CUDA {gpu.driver}"


def _look(find: Callable[[], Any]) -> tuple[Any, str]:
    try:
        return find(), ""
    except EdgesegError as error:
        return None, str(error)
