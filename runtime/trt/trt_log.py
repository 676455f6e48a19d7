"""TensorRT's own words: it says why it failed in its log and nowhere else."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from edgeseg.errors import EngineError
from edgeseg.runtime.trt.install import driver_advice
from edgeseg.runtime.trt.versions import Library

KEPT = 400
_WHERE = re.compile(r" In \w+ at \S+:\d+|\[[\w.]+\.(?:cpp|h):{1,2}[^\]]*\]|\s*;\s*$")


@functools.cache
def open_log(module: Any) -> Any:
    """Return the one logger of a TensorRT module in this process: a second one would be ignored.

    Returns:
        An ``ILogger`` whose ``messages`` are (severity, text) with warnings and worse, oldest first; the last
        :data:`KEPT` of the ``count`` that ever came.
    """

    class Log(module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.messages: list[tuple[int, str]] = []
            self.count = 0

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(module.ILogger.WARNING):
                self.messages.append((int(severity), message))
                self.count += 1
                del self.messages[:-KEPT]

    return Log()


def errors_since(log: Any, module: Any, mark: int) -> list[str]:
    """List error texts that came after ``log.count`` was ``mark``, without source locations and repetitions."""
    return messages_since(log, mark, int(module.ILogger.ERROR))


def messages_since(log: Any, mark: int, mildest: int | None = None) -> list[str]:
    """List warnings like :func:`errors_since`, too; ``mildest`` leaves out what is milder than that severity."""
    came = log.messages[len(log.messages) - min(log.count - mark, len(log.messages)) :]
    return list(dict.fromkeys(plain(text) for level, text in came if mildest is None or level <= mildest))


def start_log(kind: Callable[[Any], Any], log: Any, library: Library) -> Any:
    """Start ``Builder(log)`` or ``Runtime(log)``.

    Raises:
        EngineError: TensorRT gives none, which it does where CUDA does not start: its bindings raise a TypeError about
            a null pointer then, and the reason is a warning in the log.
    """
    mark = log.count
    try:
        return kind(log)
    except TypeError as error:
        reason = "; ".join(messages_since(log, mark)) or f"it gave no reason ({error})"
        raise EngineError(
            f"{library.title} does not start: {reason}. It is usually built for a newer CUDA than the driver supports "
            f"(`diagnose()` tells which that is). {driver_advice()} "
            "Or install a TensorRT for the driver's CUDA."
        ) from error


def plain(text: str) -> str:
    """Strip a message of the file names of TensorRT's own source."""
    return " ".join(_WHERE.sub("", text).split()).strip(" .;()")
