"""Opening an ONNX Runtime session: what edgeseg asks of every one, and what those who open one choose."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import EngineError
from edgeseg.runtime.engines.run_limits import limit_memory

FATAL_ONLY = 4
"""Severity of what ONNX Runtime prints; errors come as exceptions."""
NOTHING, BASIC, EVERYTHING = "ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"
"""What ONNX Runtime may rewrite: nothing, so that a graph is computed as ONNX defines it; what stays standard ONNX;
and everything, as it is run."""
FLOAT_KERNELS = "ORT_ENABLE_ALL in float"
"""Everything, but no INT8 kernel: a quantised graph in float sums of another order than with :data:`NOTHING`."""


def open_session(
    model: Path | bytes,
    optimisation: str = EVERYTHING,
    *,
    threads: int | None = None,
    spins: bool = True,
    limits_memory: bool = False,
    optimised_file: Path | None = None,
    extra: str = "export",
) -> Any:
    """Open an ``onnxruntime.InferenceSession`` on the CPU.

    Args:
        model: a file, or a serialised graph.
        optimisation: :data:`NOTHING`, :data:`BASIC`, :data:`EVERYTHING` or :data:`FLOAT_KERNELS`.
        threads: size of the session's pool; None: every core.
        spins: whether idle threads of the pool wait busily, which answers sooner and takes their cores from others.
        limits_memory: whether opening fails when it takes more memory than is free, see
            :func:`~edgeseg.runtime.engines.run_limits.limit_memory`.
        optimised_file: where the rewritten graph is saved.
        extra: what brings ONNX Runtime, for the message where it is missing.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        Exception: one of ONNX Runtime's own, see :func:`translate_errors`.
    """
    runtime = require("onnxruntime", extra)
    options = runtime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, optimisation.removesuffix(" in float"))
    if optimisation == FLOAT_KERNELS:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    if not spins:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if optimised_file is not None:
        options.optimized_model_filepath = str(optimised_file)
    source = str(model) if isinstance(model, Path) else model
    with limit_memory() if limits_memory else contextlib.nullcontext():
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def open_profiled_session(model: Path, profile: Path) -> Any:
    """Open a session with every optimisation that writes what each kernel takes.

    Args:
        model: a file.
        profile: how the name of the file begins that ``end_profiling`` writes.
    """
    runtime = require("onnxruntime", "onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def translate_errors(what: str, todo: str = "Export the model again, or try another engine.") -> Iterator[None]:
    """Make an EngineError of ONNX Runtime's exceptions: one class a status code, each straight below Exception.

    Args:
        what: begins the sentence, which goes on with the first line of ONNX Runtime's.
        todo: ends it.
    """
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise EngineError(f"{what}: {first_line(error)}. {todo}") from error


def first_line(error: BaseException) -> str:
    """Return the first line of a message, or the error's class where there is none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
