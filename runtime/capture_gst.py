"""``gst://PIPELINE``: the system's GStreamer as a child of the capture process."""

from __future__ import annotations

import shlex
import subprocess

from edgeseg.runtime.capture_av import AvReader
from edgeseg.runtime.capture_fault import StreamFault
from edgeseg.runtime.capture_orphan import end_with_parent
from edgeseg.runtime.capture_output import Output

# y4m, because raw bytes through a pipe do not say how large the picture is.
_TAIL = "! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink fd=1 sync=false"
_CLOSE_TIMEOUT_S = 0.3


class GstReader:
    """Runs ``gst-launch-1.0`` and reads what it writes; both end together.

    Args:
        pipeline: a source and what it needs, up to raw video; the rest is added.
        timeouts_s: for opening, and for each read.
    """

    def __init__(self, pipeline: str, timeouts_s: tuple[float, float]) -> None:
        words = ["gst-launch-1.0", "-q", *shlex.split(f"{pipeline} {_TAIL}")]
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                bufsize=0,
                preexec_fn=end_with_parent,  # noqa: PLW1509
            )
        except OSError as error:
            raise StreamFault("unsupported", f"gst-launch-1.0 cannot be started ({error.strerror})") from None
        try:
            if self._process.stdout is None:
                raise StreamFault("broken", "GStreamer gives no output")
            self._reader = AvReader("y4m", self._process.stdout, {}, timeouts_s)
        except StreamFault:
            self._end()
            raise StreamFault("broken", "GStreamer gave no picture; try the pipeline with gst-launch-1.0") from None
        self.fps = self._reader.fps

    def run(self, output: Output) -> None:
        self._reader.run(output)

    def close(self) -> None:
        self._end()
        self._reader.close()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
