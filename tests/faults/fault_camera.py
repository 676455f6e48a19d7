"""The camera of ``rtsp_server.py`` as a process that tests start, stop, kill and bring back."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_SERVER = Path(__file__).with_name("rtsp_server.py")
_START_S = 60


class FaultCamera:
    """A running camera; leaving the ``with`` block ends it.

    Args:
        mode: what it does wrong, see ``rtsp_server.py``; ``ok`` for nothing.
        options: of ``rtsp_server.py``, without the dashes.
    """

    def __init__(self, mode: str = "ok", **options: object) -> None:
        self.mode, self._options = mode, options
        self.port = 0
        self._process = self._started()

    @property
    def url(self) -> str:
        return self.url_as("")

    def url_as(self, login: str) -> str:
        """The address with ``user:password`` in it."""
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.port}/live"

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """As a power cut of the box, but for the FIN that the kernel sends."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def freeze(self) -> None:
        """The connection stays, nothing comes any more (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def start_again(self, mode: str | None = None) -> float:
        """Bring it back on the same port; the monotonic time at which it listened."""
        self.mode = mode or self.mode
        self._process = self._started()
        return time.monotonic()

    def _started(self) -> subprocess.Popen[str]:
        options = [word for name, value in self._options.items() for word in (f"--{name}", str(value))]
        process = subprocess.Popen(
            [sys.executable, str(_SERVER), self.mode, "--port", str(self.port), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _START_S)
        word, _, port = (process.stdout.readline() if ready else "").partition(" ")
        if word != "PORT":
            process.kill()
            raise RuntimeError(f"the camera did not start within {_START_S} s (exit code {process.wait()})")
        self.port = int(port)
        return process

    def __enter__(self) -> FaultCamera:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


StartCamera = Callable[..., FaultCamera]
"""``start(mode, **options)``, the fixture ``fault_camera``."""
