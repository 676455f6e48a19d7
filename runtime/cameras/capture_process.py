"""The parent's side of a capture process: starting it, hearing it, ending it whatever its state."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.errors import EnvironmentFault
from edgeseg.runtime.cameras.address import Address
from edgeseg.runtime.cameras.capture.output import GO
from edgeseg.runtime.cameras.capture.ring import Picture, Ring, create_ring_memory
from edgeseg.runtime.cameras.capture.tls_trust import SYSTEM, Trust
from edgeseg.runtime.system.child_python import module_command
from edgeseg.runtime.system.line_child import LineChild, ended_by

_CLOSE_TIMEOUT_S = 0.7
_TAIL_BYTES = 2000
_LONGEST_LINE = 4096
# One thread each: the decoder has its own, and the libraries' pools only cost memory.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

_NUMBER = (int, float)
_OPTIONAL = (int, float, type(None))
_ALWAYS: dict[str, Any] = {"kind": str, **dict.fromkeys(("received", "dropped", "stale", "damaged", "packets"), int)}
_FACTS: dict[str, dict[str, Any]] = {
    "picture": {"slot": int, "height": int, "width": int, "captured_s": _NUMBER, "presented_s": _OPTIONAL},
    "open": {"fps": _OPTIONAL},
    "end": {"reason": str, "message": str},
}

CaptureMessage = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """How long to wait, and how much a capture process may take.

    Attributes:
        timeout_s: a stream without a picture for this long is lost.
        open_timeout_s: a connection that takes longer to its first picture has failed.
        start_timeout_s: a process that takes longer to get ready has failed.
        memory_bytes: address space of the process; 0 for no limit.
        trust: which certificate of a camera is taken.
    """

    timeout_s: float = 5.0
    open_timeout_s: float = 10.0
    start_timeout_s: float = 30.0
    memory_bytes: int = 4 << 30
    trust: Trust = SYSTEM


class CaptureProcess:
    """A child that waits for :meth:`go`, then makes one connection to one camera.

    Use it from one thread, which must live as long; :meth:`close` ends the process and gives everything back.

    Raises:
        OSError: the system has no room for another process.
    """

    def __init__(self, address: Address, limits: Limits) -> None:
        if sys.platform == "win32":
            raise EnvironmentFault(
                "Network cameras, snapshots and test pictures are not read on Windows: each has a process of its own, "
                "which is given a pipe. Give a file or the number of a camera, or run edgeseg in WSL 2."
            )
        self._said: str | None = None
        with contextlib.ExitStack() as held:
            ring_fd = create_ring_memory()
            held.callback(os.close, ring_fd)
            self._ring = held.enter_context(contextlib.closing(Ring(ring_fd, writable=False)))
            self._errors = held.enter_context(tempfile.TemporaryFile())
            self._child = LineChild(
                module_command("edgeseg.runtime.cameras.capture.main", str(ring_fd)),
                json.dumps(_job(address, limits)),
                stderr=self._errors,
                stdout=subprocess.DEVNULL,
                pass_fds=[ring_fd],
                environment=_ENVIRONMENT,
                longest_line=_LONGEST_LINE,
            )
            held.callback(self._child.close)
            self._held = held.pop_all()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    def go(self) -> None:
        """Let it connect."""
        self._child.give(bytes([GO]))

    def news(self, timeout_s: float) -> list[CaptureMessage] | None:
        """Return what it said, after waiting for something at most ``timeout_s``; None when it has ended.

        Raises:
            ValueError: that makes no sense.
        """
        said = self._child.hear(timeout_s)
        return None if said is None else [_check_news(each) for each in said]

    def copy(self, picture: CaptureMessage) -> Picture:
        """Copy the picture that the news speak of into memory of its own.

        Raises:
            ValueError: the child names memory that is not there.
        """
        return np.array(self._ring.picture(picture["slot"], picture["height"], picture["width"]))

    def release(self, picture: CaptureMessage) -> None:
        """Let the slot be written again."""
        self._child.give(bytes([picture["slot"]]))

    def close(self) -> str:
        """End it, politely for under a second, then by force; returns the last it wrote to its stderr.

        Closing again only tells this again.
        """
        if self._said is None:
            self._child.close_input()
            self._child.wait(_CLOSE_TIMEOUT_S)
            self._child.kill()
            self._child.wait()
            self._said = self._last_words()
            self._held.close()
        return self._said

    @property
    def ended_by(self) -> str:
        """How the process ended: a signal's name, or its exit code; empty while it runs."""
        code = self._child.exit_code
        return "" if code is None else ended_by(code)

    def _last_words(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _TAIL_BYTES))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _check_news(news: Any) -> CaptureMessage:
    """A process that decodes what strangers send may be in their hands."""
    if isinstance(news, dict):
        wanted = {**_ALWAYS, **_FACTS.get(str(news.get("kind")), {})}
        if all(name in news and isinstance(news[name], kind) for name, kind in wanted.items()):
            return news
    raise ValueError("the capture process sends a message that makes no sense")


def _job(address: Address, limits: Limits) -> dict[str, Any]:
    job = {**dataclasses.asdict(address), **dataclasses.asdict(limits)}
    return {
        key: job[key] for key in ("kind", "target", "options", "open_timeout_s", "timeout_s", "memory_bytes", "trust")
    }
