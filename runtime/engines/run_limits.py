"""Limits for running somebody else's graph, which says itself how much memory and time it takes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

LONGEST_RUN_S = 300.0


@contextlib.contextmanager
def limit_memory() -> Iterator[None]:
    """Let allocations fail that go beyond the memory that is free now, where the system would rather end processes.

    Linux only; elsewhere, and where a limit is set already, nothing changes.
    """
    free = _free_bytes()
    if resource is None or free is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space_bytes() + free
    if soft != resource.RLIM_INFINITY and soft <= wanted:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def limit_time(run_options: Any, limit_s: float = LONGEST_RUN_S) -> Iterator[None]:
    """Ask ONNX Runtime to end a run after ``limit_s``, which it does between two nodes.

    Args:
        run_options: an ``onnxruntime.RunOptions`` that is given to the run.
    """

    def end() -> None:
        run_options.terminate = True

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _free_bytes() -> int | None:
    """Memory that can be had without taking it from somebody, or None where the system does not say it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
