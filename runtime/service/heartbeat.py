"""A worker's signs of life to its supervisor: one JSON line each half second.

A thread of its own speaks, so a native call that does not return shows as a run that grows old, and one that
also holds the interpreter shows as silence. When the supervisor is gone the worker ends too.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

PERIOD_S = 0.5
_LAST_S = 3.0


@dataclass(frozen=True)
class Progress:
    """How far a worker is.

    Attributes:
        frames: results so far.
        busy_s: how long the oldest inference in flight has been running; 0 when none is.
        opened: the engine is open, so from here on an inference must not take long.
        idle: every picture that was to be used has become a result, or was dropped.
        waiting: no results are to be expected, for a reason that is known: each camera is away and is being tried
            again, or gives pictures that are not to be used.
    """

    frames: int = 0
    busy_s: float = 0.0
    opened: bool = False
    idle: bool = False
    waiting: bool = False

    def goes_on_from(self, before: Progress) -> bool:
        """Tell whether all is well since ``before``: results came, or none could, for a reason that is known.

        A picture that waits for its result is no such reason, and nor is silence of a camera that nobody noticed.
        """
        if not self.opened or self.frames != before.frames:
            return True
        return self.idle and self.waiting


class Pulse:
    """Sends :class:`Progress` until closed.

    Args:
        fd: the pipe to the supervisor; closed with this.
        progress: asked in the pulse's own thread. May be replaced at any time.
    """

    def __init__(self, fd: int, progress: Callable[[], Progress] = Progress) -> None:
        self.progress = progress
        self._fd = fd
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgeseg-pulse", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give one last sign, and no more."""
        self._closing.set()
        self._thread.join(PERIOD_S)

    def _run(self) -> None:
        while not self._closing.wait(PERIOD_S):
            self._send()
        self._send()

    def _send(self) -> None:
        try:
            os.write(self._fd, json.dumps(asdict(self.progress())).encode() + b"\n")
        except OSError:
            self._is_orphan()

    def _is_orphan(self) -> None:
        """Finish the files as after SIGTERM; by force when that takes long."""
        os.kill(os.getpid(), signal.SIGTERM)
        if not self._closing.wait(_LAST_S):
            os._exit(1)  # nobody is left who could read a last word
