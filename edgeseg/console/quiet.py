"""Running chatty libraries without their prints, warnings and telemetry.

torch.onnx, onnxscript, NNCF and OpenVINO's converter write progress and notes meant for their
developers, and the last two report their use over the network unless told that they run in CI.
Errors still come through as exceptions.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator

_LOGGERS = ("torch.onnx", "torch", "onnxscript", "onnx_ir", "nncf", "openvino", "onnxruntime")
_NO_TELEMETRY = {"NNCF_CI": "1", "CI": "true"}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence third-party prints, log lines and warnings, and keep them off the network."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        stack.enter_context(_environment(_NO_TELEMETRY))
        for name in _LOGGERS:
            stack.enter_context(_level(logging.getLogger(name), logging.CRITICAL))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


@contextlib.contextmanager
def _level(logger: logging.Logger, level: int) -> Iterator[None]:
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
