"""How the cores of this machine are shared between the engine, the decoder and OpenCV."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from edgeseg.runtime.system.machine import usable_cores

MOST_DECODER_THREADS = 4
OPENCV_THREADS = "OPENCV_FOR_THREADS_NUM"
"""OpenCV's own environment variable; who sets it decides."""


@dataclass(frozen=True)
class CorePlan:
    """Who computes in how many threads.

    Attributes:
        slots: inferences at the same time; each slot resizes in a thread of its own.
        streams: of the engine: how many inferences it works at side by side, each with its share of the threads.
        threads: of the engine, all streams together.
        decoder: threads that decode a video file; a network camera has one of its own process.
        opencv: threads of one call of OpenCV, such as a resize.
    """

    slots: int
    streams: int
    threads: int
    decoder: int
    opencv: int

    def __str__(self) -> str:
        parts = [
            _count(self.slots, "slot"),
            f"{_count(self.streams, 'stream')} of the engine with {_count(self.threads, 'thread')}",
            f"{_count(self.decoder, 'thread')} that decode{'s' * (self.decoder == 1)}",
            f"{self.opencv} of OpenCV",
        ]
        return ", ".join(parts)


def share_cores(
    slots: int, streams: int | None = None, threads: int | None = None, cores: int | None = None
) -> CorePlan:
    """Share the cores out.

    What the engine does costs most, so it may use every core. A decoder is far ahead with half of them, and each slot
    that runs beside others resizes with its share alone: threads of OpenCV would only take turns with the engine's.

    Args:
        slots: inferences at the same time.
        streams: of the engine; None: one a slot.
        threads: of the engine; None: one a core.
        cores: None for those that this process may use.

    >>> str(share_cores(2, cores=2))
    '2 slots, 2 streams of the engine with 2 threads, 1 thread that decodes, 1 of OpenCV'
    >>> share_cores(1, cores=8)
    CorePlan(slots=1, streams=1, threads=8, decoder=4, opencv=8)
    """
    cores = cores or usable_cores()
    decoder = min(MOST_DECODER_THREADS, max(1, cores // 2))
    return CorePlan(slots, streams or slots, threads or cores, decoder, max(1, cores // slots))


@contextlib.contextmanager
def opencv_in(threads: int) -> Iterator[None]:
    """Let OpenCV use so many threads in this process for a while, unless its environment variable says how many."""
    import cv2

    if os.environ.get(OPENCV_THREADS):
        yield
        return
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
