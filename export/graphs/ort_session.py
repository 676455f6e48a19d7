"""Running a float ONNX graph in memory with ONNX Runtime, to compare graphs with each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.image import Float32
from edgeseg.runtime.engines.ort_session import EVERYTHING, FATAL_ONLY, open_session
from edgeseg.runtime.engines.run_limits import LONGEST_RUN_S, limit_memory, limit_time

Forward = Callable[[Float32], Float32]
"""(1, C, H, W) normalised float32 to (1, K, H, W) float32."""
Run = Callable[[Any], list[Any]]
"""An array as the graph takes it to its outputs as it gives them."""


def make_forward(model: Any, limit_s: float = LONGEST_RUN_S) -> Forward:
    """Make a function that runs a one-input, one-output ``onnx.ModelProto``, in free memory and limited time.

    Raises:
        ArtifactError: ONNX Runtime refuses the graph, now or when it runs; it takes too much memory or time.
    """
    run = make_run(model, limit_s)
    return lambda values: np.asarray(run(values)[0], np.float32)


def make_run(model: Any, limit_s: float = LONGEST_RUN_S) -> Run:
    """Make a function from the input of a one-input ``onnx.ModelProto`` to all of its outputs, as it has them.

    Raises:
        ArtifactError: see :func:`make_forward`.
    """
    session = open_graph(model)
    run_options = require("onnxruntime", "export").RunOptions
    name, failures = session.get_inputs()[0].name, _failures()

    def run(values: Any) -> list[Any]:
        options = run_options()
        options.log_severity_level = FATAL_ONLY
        try:
            with limit_memory(), limit_time(options, limit_s):
                return list(session.run(None, {name: values}, options))
        except failures as error:
            if options.terminate:
                raise ArtifactError(
                    f"This network was stopped after {limit_s:g} s on one input {list(values.shape)}. No device would "
                    "run it in time; look for an operation that repeats or grows without need."
                ) from None
            raise ArtifactError(
                f"ONNX Runtime cannot run this network on an input {list(values.shape)}: {_reason(error)}. Where sizes "
                "are written into the graph, only the size it was exported with works: `imgsz=(H, W)`."
            ) from None

    return run


def open_graph(model: Any, optimisation: str = EVERYTHING) -> Any:
    """Open a session of somebody else's ``onnx.ModelProto``, which gets no more memory than is free.

    Raises:
        ArtifactError: ONNX Runtime refuses the graph.
    """
    try:
        with quiet():
            return open_session(model.SerializeToString(), optimisation, spins=False, limits_memory=True)
    except _failures() as error:
        raise ArtifactError(f"ONNX Runtime refuses this network: {_reason(error)}") from None


def _failures() -> tuple[type[Exception], ...]:
    """ONNX Runtime's exceptions have no common base of their own."""
    state = require("onnxruntime.capi.onnxruntime_pybind11_state", "export")
    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError, MemoryError)


def _reason(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
