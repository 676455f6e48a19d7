"""Whether a video file holds anything."""

from __future__ import annotations

from pathlib import Path

from edgeseg.console.extras import require


def holds_pictures(path: Path) -> bool:
    """Tell whether at least one picture can be read."""
    av = require("av")
    try:
        with av.open(str(path)) as container:
            return any(packet.size for packet in container.demux(video=0))
    except (av.error.FFmpegError, IndexError):
        return False
