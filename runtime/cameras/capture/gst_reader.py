"""``gst://PIPELINE``: the system's GStreamer as a child of the capture process."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import time

from edgeseg.runtime.cameras.capture.output import Output
from edgeseg.runtime.cameras.capture.stream_fault import StreamFault
from edgeseg.runtime.cameras.capture.y4m import Y4mReader, read_frame
from edgeseg.runtime.frames.square_pixels import square_bgr, square_size
from edgeseg.runtime.system.child_python import child_environment, module_command
from edgeseg.runtime.system.end_with_parent import end_with_parent

# y4m, because raw bytes through a pipe do not say how large the picture is.
_TAIL = "! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink fd=1 sync=false"
_CLOSE_TIMEOUT_S = 0.3


class GstReader:
    """Runs :mod:`edgeseg.runtime.cameras.capture.gst_launch` and reads what it writes; both end together.

    Args:
        pipeline: a source and what it needs, up to raw video; the rest is added.
        timeouts_s: for opening, and for each read.
    """

    def __init__(self, pipeline: str, timeouts_s: tuple[float, float]) -> None:
        import av

        self._av = av
        try:
            words = shlex.split(f"{pipeline} {_TAIL}")
            self._process = subprocess.Popen(
                module_command("edgeseg.runtime.cameras.capture.gst_launch"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                preexec_fn=end_with_parent,  # noqa: PLW1509
                env=child_environment(),
            )
            self._give(words)
        except ValueError as error:
            raise StreamFault("unsupported", f"the pipeline is not written as one ({error})") from None
        except OSError as error:
            raise StreamFault("unsupported", f"GStreamer cannot be started ({error.strerror})") from None
        try:
            self._reader = Y4mReader(self._output_fd(), timeouts_s)
        except StreamFault:
            self.close()
            raise StreamFault("broken", "GStreamer gave no picture; try the pipeline with gst-launch-1.0") from None
        self.fps = self._reader.fps

    def run(self, output: Output) -> None:
        """Put every picture into ``output`` until it stops or the pipeline ends."""
        reformatter = self._av.video.reformatter.VideoReformatter()
        for number, planes in enumerate(self._reader.pictures()):
            output.count_packet()
            place = output.place(*square_size(self._reader.height, self._reader.width, self._reader.aspect))
            if place is not None:
                place[...] = square_bgr(read_frame(self._av, planes), reformatter, self._reader.aspect)
                output.publish(time.monotonic(), number / self.fps if self.fps else None)
            if output.stopped:
                return

    def close(self) -> None:
        """End the pipeline's process."""
        self._process.terminate()
        try:
            self._process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _give(self, words: list[str]) -> None:
        if self._process.stdin is not None:
            with self._process.stdin as pipe, contextlib.suppress(BrokenPipeError):
                pipe.write(json.dumps(words).encode() + b"\n")

    def _output_fd(self) -> int:
        if self._process.stdout is None:
            raise StreamFault("broken", "GStreamer gives no output")
        return self._process.stdout.fileno()
