"""Cameras that misbehave on request.

::

    from fault_camera import StartCamera

    def test_a_camera_that_dies(fault_camera: StartCamera) -> None:
        camera = fault_camera("ok", size="640x384", fps=25)  # returns when it listens on loopback
        run("--source", camera.url)                            # or camera.url_as("user:password")
        camera.kill()                                          # SIGKILL; camera.freeze() and .thaw(): SIGSTOP, SIGCONT
        back_s = camera.start_again()                          # same port; monotonic time at which it listened

Modes and options are those of ``rtsp_server.py``. Each picture tells its number and when it was made:
``marked_picture.read(frame.image)`` gives both, and ``error``, how far the picture is from the true one
(under 20 for whole ones). Cameras end with the test, and with the process that started them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fault_camera import FaultCamera, StartCamera


@pytest.fixture
def fault_camera() -> Iterator[StartCamera]:
    """Start a camera: ``fault_camera(mode, **options of rtsp_server.py)``."""
    with ExitStack() as running:
        yield lambda mode="ok", **options: running.enter_context(FaultCamera(mode, **options))
