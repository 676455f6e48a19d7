"""A window with the newest masks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence

import cv2

from edgeseg.errors import UserError
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.painter import Painter
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.runtime.system.child_python import child_environment, code_command
from edgeseg.spec import ModelSpec

_TITLE = "edgeseg"
_QUIT_KEYS = (27, ord("q"))
_PROBE = "import cv2; cv2.namedWindow('edgeseg'); cv2.waitKey(1)"
_PROBE_TIMEOUT_S = 20
# Qt warns of fonts that OpenCV does not ship and of the thread it is used from, on the stream that the log goes to.
_QUIET = {"QT_LOGGING_RULES": "default.warning=false;qt.qpa.fonts.warning=false"}


class WindowSink(ClosableSink):
    """Shows the newest frame with its masks: of several cameras, whose names are in ``sources``, each in its window.

    q, Esc or closing the last window calls ``quit_asked``; another one that is closed stays so.

    Args:
        every: show every frame, and let the source wait, in place of the newest.
        painter: draws the masks; None for one of the spec.
    """

    name = "window"

    def __init__(
        self,
        spec: ModelSpec,
        quit_asked: Callable[[], None],
        sources: Sequence[str] = (),
        every: bool = False,
        painter: Painter | None = None,
    ) -> None:
        self.newest_only = not every
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        self._painter = painter or Painter(spec)
        self._quit_asked = quit_asked
        self._titles = {source: f"{_TITLE}: {redact(source)}" for source in sources} if len(sources) > 1 else {}
        self._open: set[str] = set()
        self._closed: set[str] = set()

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Paint the frame in its camera's window, unless that was closed."""
        self._expect_open()
        title = self._titles.get(frame.source, _TITLE)
        if self._was_closed(title):
            return
        cv2.imshow(title, self._painter.paint(frame, prediction))
        self._open.add(title)
        if cv2.waitKey(1) & 0xFF in _QUIT_KEYS:
            self._quit_asked()

    def close(self) -> None:
        """Close the windows."""
        super().close()
        if self._open:
            self._open.clear()
            cv2.destroyAllWindows()

    def _was_closed(self, title: str) -> bool:
        if title in self._open and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
            self._open.remove(title)
            self._closed.add(title)
            if not self._open:
                self._quit_asked()
        return title in self._closed


def check_display() -> None:
    """Try in a process of its own to open a window: without a display Qt aborts the whole process.

    Raises:
        UserError: no window can be opened here.
    """
    try:
        probe = subprocess.run(
            code_command(_PROBE), capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False, env=child_environment()
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            "`show=True` was given, but the display does not answer. Use `save='out.mp4'` instead."
        ) from None
    if probe.returncode != 0:
        raise UserError(
            "`show=True` was given, but no window can be opened here (no display, or OpenCV without a GUI). "
            "Use `save='out.mp4'` instead."
        )
