"""A local camera as a source, through OpenCV."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgeseg.errors import SourceError
from edgeseg.runtime.frames.frame import Frame

_CLOSE_TIMEOUT_S = 1.0


class CameraSource:
    """A camera by index (``0``) or device file (``/dev/video0``).

    Raises:
        SourceError: there is no such camera, or it cannot be opened.
    """

    live = True
    total: int | None = None
    skipped = 0
    names = ()
    waiting = ended_early = False

    def __init__(self, text: str) -> None:
        self._name = text
        self._reading = threading.Lock()
        self._closed = False
        index = _camera_index(text)
        _check_present(text, index)
        self._capture = cv2.VideoCapture(index, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
        if not self._capture.isOpened():
            raise SourceError(
                f"Camera {text} is there but cannot be opened. See if another program uses it "
                "and if you may read it (on Linux: group video)."
            )
        self.size: tuple[int, int] | None = (
            self._number(cv2.CAP_PROP_FRAME_HEIGHT),
            self._number(cv2.CAP_PROP_FRAME_WIDTH),
        )
        self.fps: float | None = self._capture.get(cv2.CAP_PROP_FPS) or None

    def __enter__(self) -> CameraSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        # Releasing under a blocked read crashes OpenCV; then the end of the process closes it.
        if self._reading.acquire(timeout=_CLOSE_TIMEOUT_S):
            self._capture.release()
            self._reading.release()

    def stop(self) -> None:
        """Do nothing: nothing waits here for longer than a picture takes."""

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            with self._reading:
                if self._closed:
                    raise SourceError(f"Camera {self._name} is closed; open it again to read it.")
                good, image = self._capture.read()
            if not good or image is None:
                raise SourceError(f"Camera {self._name} stopped after {index} frames. See if it is still plugged in.")
            yield Frame(np.asarray(image, np.uint8), index, time.monotonic(), self._name)
            index += 1

    def _number(self, prop: int) -> int:
        return int(self._capture.get(prop))


def _camera_index(text: str) -> int:
    digits = text.removeprefix("/dev/video")
    if not digits.isdecimal() or len(digits) > 4:
        raise SourceError(f"A camera is an index such as 0 or a file such as /dev/video0; found {text!r}.")
    return int(digits)


def _check_present(text: str, index: int) -> None:
    if sys.platform != "linux" or Path(f"/dev/video{index}").exists():
        return
    found = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
    raise SourceError(f"There is no camera {text}; cameras found in /dev/video*: {found}. Plug one in or give a file.")
