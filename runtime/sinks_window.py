"""A window with the newest masks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import cv2

from edgeseg.errors import UserError
from edgeseg.runtime.frame import Frame, Prediction
from edgeseg.runtime.painter import Painter
from edgeseg.spec import ModelSpec

_TITLE = "edgeseg"
_QUIT_KEYS = (27, ord("q"))
_PROBE = "import cv2; cv2.namedWindow('edgeseg'); cv2.waitKey(1)"
_PROBE_TIMEOUT_S = 20


class WindowSink:
    """Shows the newest frame with its masks; q, Esc or closing the window calls ``quit_asked``."""

    name = "window"
    newest_only = True

    def __init__(self, spec: ModelSpec, quit_asked: Callable[[], None]) -> None:
        self._painter = Painter(spec)
        self._quit_asked = quit_asked
        self._is_open = False

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        if self._is_open and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self._is_open = False
            self._quit_asked()
            return
        cv2.imshow(_TITLE, self._painter.paint(frame, prediction))
        self._is_open = True
        if cv2.waitKey(1) & 0xFF in _QUIT_KEYS:
            self._quit_asked()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            cv2.destroyAllWindows()


def check_display() -> None:
    """See in a process of its own whether a window can be opened: without a display Qt aborts the whole process.

    Raises:
        UserError: no window can be opened here.
    """
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError("--show was given, but the display does not answer. Use --save out.mp4 instead.") from None
    if probe.returncode != 0:
        raise UserError(
            "--show was given, but no window can be opened here (no display, or OpenCV without a GUI). "
            "Use --save out.mp4 instead."
        )
