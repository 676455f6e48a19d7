"""The capture process of one live camera: ``python -m edgeseg.runtime.cameras.capture.main RING_FD NEWS_FD``.

It makes one connection, writes pictures into the ring and lines into the pipe, and ends with the
connection. The job comes as one JSON line on standard input, because a command line with a password
could be read by every user of the machine. The memory of a process that decodes what strangers send
is limited, and it leaves no core files.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any, Protocol

from edgeseg.runtime.cameras.capture.output import Output
from edgeseg.runtime.cameras.capture.ring import Ring
from edgeseg.runtime.cameras.capture.stream_fault import StreamFault
from edgeseg.runtime.cameras.capture.tls_trust import Trust
from edgeseg.runtime.events.standard_streams import open_missing
from edgeseg.runtime.system.end_with_parent import end_with_parent


class Reader(Protocol):
    """One open connection."""

    fps: float | None

    def run(self, output: Output) -> None:
        """Give pictures until ``output.stopped`` or the end. Raises StreamFault."""

    def close(self) -> None:
        """Say goodbye to the camera."""


def main() -> int:
    """Capture what the job on standard input names, until it ends; return the exit code."""
    open_missing()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    job = json.loads(_first_line(0))
    _limit(job["memory_bytes"])
    output = Output(Ring(int(sys.argv[1]), writable=True), int(sys.argv[2]), 0)
    _prepare(job["kind"])
    output.send("ready")
    output.wait_for_go()
    try:
        _capture(job, output)
        output.send("end", reason="finished", message="the recording is over")
    except StreamFault as fault:
        output.send("end", reason=fault.reason, message=fault.message)
    finally:
        output.finish()
    return 0


def _capture(job: dict[str, Any], output: Output) -> None:
    reader = open_reader(job)
    try:
        output.send("open", fps=reader.fps)
        reader.run(output)
    finally:
        with contextlib.suppress(OSError):
            reader.close()


def open_reader(job: dict[str, Any]) -> Reader:
    """Open the reader for the job's kind.

    Raises:
        StreamFault: it could not be opened.
    """
    timeouts_s = (job["open_timeout_s"], job["timeout_s"])
    if job["kind"] == "cells":
        from edgeseg.runtime.cameras.capture.test_pattern import CellsReader

        return CellsReader(job["options"])
    if job["kind"] == "gst":
        from edgeseg.runtime.cameras.capture.gst_reader import GstReader

        return GstReader(job["target"], timeouts_s)
    if job["kind"] == "http":
        return _open_http(job, timeouts_s)
    from edgeseg.runtime.cameras.capture.av_reader import AvReader

    return AvReader(job["kind"], job["target"], job["options"], timeouts_s, Trust(**job.get("trust", {})))


def _open_http(job: dict[str, Any], timeouts_s: tuple[float, float]) -> Reader:
    """A picture or a stream: by the name of the address, and whatever that says, by what comes."""
    from edgeseg.runtime.cameras.capture.av_reader import AvReader
    from edgeseg.runtime.cameras.capture.snapshot_reader import SnapshotReader, names_a_picture

    target, trust = job["target"], Trust(**job.get("trust", {}))
    if not names_a_picture(target):
        stream = AvReader("http", target, {}, timeouts_s, trust)
        if not stream.is_still:
            return stream
        stream.close()
    pictures = SnapshotReader(target, job["options"], timeouts_s, trust)
    return pictures if pictures.is_still else AvReader("http", target, {}, timeouts_s, trust)


def _prepare(kind: str) -> None:
    """Load what takes long before the parent says go: it waits between two attempts anyway."""
    if kind == "cells":
        import edgeseg.demo.cells
        import edgeseg.runtime.cameras.capture.test_pattern  # noqa: F401
    else:
        import av

        av.logging.set_level(None)


def _limit(memory_bytes: int) -> None:
    """As low as asked, and no higher than whoever started edgeseg allows (``ulimit -v``, ``LimitAS=``)."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes and sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        bytes_ = memory_bytes if hard == resource.RLIM_INFINITY else min(hard, memory_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))


def _first_line(fd: int) -> bytes:
    """Read up to the newline and not a byte further: what follows is for the control thread."""
    line = b""
    while not line.endswith(b"\n"):
        if not (byte := os.read(fd, 1)):
            raise SystemExit(0)
        line += byte
    return line


if __name__ == "__main__":
    sys.exit(main())
