"""TensorRT's own words: it says why it failed in its log and nowhere else."""

from __future__ import annotations

import functools
import re
from typing import Any

KEPT = 400
_WHERE = re.compile(r" In \w+ at \S+:\d+|\[[\w.]+\.(?:cpp|h):{1,2}[^\]]*\]|\s*;\s*$")


@functools.cache
def log_of(module: Any) -> Any:
    """The one logger of a TensorRT module in this process: a second one would be ignored.

    Returns:
        An ``ILogger`` whose ``messages`` are (severity, text) with warnings and worse, oldest first.
    """

    class Log(module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.messages: list[tuple[int, str]] = []

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(module.ILogger.WARNING):
                self.messages.append((int(severity), message))
                del self.messages[:-KEPT]

    return Log()


def errors_since(log: Any, module: Any, mark: int) -> list[str]:
    """Error texts that came after ``mark`` messages, without source locations and without repetitions."""
    worst = int(module.ILogger.ERROR)
    return list(dict.fromkeys(plain(text) for level, text in log.messages[mark:] if level <= worst))


def plain(text: str) -> str:
    """A message without the file names of TensorRT's own source."""
    return " ".join(_WHERE.sub("", text).split()).strip(" .;()")
