"""Where masks go. A sink is one verb, ``write``, and ``close``.

Sinks are made before the work and touch the disk with the first frame, in a thread of their own:
:class:`SinkThread`. What can be known to be wrong earlier is said by :func:`check_outputs`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from edgeseg.errors import OutputError
from edgeseg.files import check_writable
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.runtime.handoff import Handoff
from edgeseg.runtime.timing import Stage, clock_s

_WAITING = 4


class Sink(Protocol):
    """Something that takes masks, in order, from one thread.

    Attributes:
        name: what the summary calls it.
        newest_only: True for a preview, which shows the newest frame and lets others go.
    """

    name: str
    newest_only: bool

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Take one result; the arrays may be kept but not changed.

        Raises:
            OutputError: it cannot be written.
        """

    def close(self) -> None:
        """Finish what was written; a second call does nothing."""


class SinkThread:
    """Feeds a sink from a bounded queue.

    Args:
        sink: is written to and closed by this thread only.
        live: True to drop, and count, what the sink is too slow for; else the giver waits.
        failed: called with any error of the sink.
    """

    def __init__(self, sink: Sink, live: bool, failed: Callable[[Exception], None]) -> None:
        self.name = sink.name
        self.stage = Stage()
        self._sink = sink
        self._failed = failed
        capacity = 1 if sink.newest_only else _WAITING
        self._queue: Handoff[tuple[Frame, Prediction, float]] = Handoff(capacity, live or sink.newest_only)
        self._thread = threading.Thread(target=self._run, name=f"edgeseg-{sink.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._queue.dropped

    def put(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        self._queue.put((frame, prediction, latency_ms))

    def finish(self) -> None:
        """Write what is waiting, close the sink, and return."""
        self._queue.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (item := self._queue.take()) is not None:
                start = clock_s()
                self._sink.write(*item[1])
                self.stage.record(clock_s() - start)
        except Exception as error:
            self._queue.abort()
            self._failed(error)
        try:
            self._sink.close()
        except Exception as error:
            self._failed(error)


def check_outputs(files: Iterable[Path], folders: Iterable[Path], source: str) -> None:
    """Find out before the work whether its results can be written.

    Args:
        files, folders: what is going to be written.
        source: what is read; writing over it is refused.

    Raises:
        OutputError: no permission, something else in the way, or the source itself.
    """
    for path in files:
        if path.is_dir():
            raise OutputError(f"{path} is a folder; give the name of a file in it.")
        check_writable(path.parent)
        _check_not_source(path, source)
    for path in folders:
        check_writable(path)
        _check_not_source(path, source)


def _check_not_source(path: Path, source: str) -> None:
    if path.exists() and os.path.exists(source) and path.samefile(source):
        raise OutputError(f"{path} is the source itself and would be written over. Choose another output path.")
