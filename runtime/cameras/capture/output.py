"""The child's side of the ring: where a reader puts its pictures."""

from __future__ import annotations

import json
import os
import select
import threading
from typing import Any

from edgeseg.runtime.cameras.capture.ring import MAX_PIXELS, SLOTS, Picture, Ring
from edgeseg.runtime.cameras.capture.stream_fault import StreamFault

HEARTBEAT_S = 0.5
GO = 0xFF
"""The byte that starts the capture; bytes below :data:`SLOTS` give a slot back."""
_CLOSE_S = 0.4


class Output:
    """Pictures, counts and heartbeats to the parent; slots and the end from it.

    A thread answers the parent while the reader may be blocked. When the parent is gone, however
    that happened, so is this process within half a second.

    Args:
        ring: writable.
        news_fd: where JSON lines go.
        control_fd: where single bytes come from, and the end of file.
    """

    def __init__(self, ring: Ring, news_fd: int, control_fd: int) -> None:
        self.stopped = False
        self._ring = ring
        self._news_fd, self._control_fd = news_fd, control_fd
        self._free = list(range(SLOTS))
        self._slot: tuple[int, int, int] | None = None
        self._counts = {"received": 0, "dropped": 0, "stale": 0, "damaged": 0, "packets": 0}
        self._go = threading.Event()
        self._finished = threading.Event()
        threading.Thread(target=self._listen, name="edgeseg-control", daemon=True).start()

    def wait_for_go(self) -> None:
        """Wait until the parent has asked for pictures."""
        self._go.wait()

    def place(self, height: int, width: int) -> Picture | None:
        """Return where the next picture is to be written; None, and counted, when the parent is behind.

        Raises:
            StreamFault: no slot can hold such a picture.
        """
        if height * width > MAX_PIXELS:
            raise StreamFault("too large", f"its pictures have {width}x{height} pixels, more than {MAX_PIXELS}")
        self._counts["received"] += 1
        if not self._free:
            self._counts["dropped"] += 1
            return None
        self._slot = (self._free.pop(), height, width)
        return self._ring.picture(*self._slot)

    def publish(self, captured_s: float, presented_s: float | None) -> None:
        """Hand over the picture that was written.

        Args:
            captured_s: monotonic clock.
            presented_s: the stream's own time.
        """
        if self._slot is None:
            raise ValueError("publish() follows place()")
        slot, height, width = self._slot
        self._slot = None
        self.send("picture", slot=slot, height=height, width=width, captured_s=captured_s, presented_s=presented_s)

    def count_packet(self) -> None:
        """Count a packet that arrived."""
        self._counts["packets"] += 1

    def count_damaged(self) -> None:
        """Count a picture that is damaged and not handed over."""
        self._counts["damaged"] += 1

    def count_stale(self) -> None:
        """Count a picture that came too late to be handed over."""
        self._counts["received"] += 1
        self._counts["stale"] += 1

    def send(self, kind: str, **facts: Any) -> None:
        """Send one line to the parent; short enough that the lines of two threads do not mix."""
        line = json.dumps({"kind": kind, **facts, **self._counts}).encode() + b"\n"
        os.write(self._news_fd, line)

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._control_fd], [], [], HEARTBEAT_S)
            if not ready:
                self._beat()
                continue
            received = os.read(self._control_fd, 64)
            if not received:
                self._leave()
            self._take(received)

    def _take(self, received: bytes) -> None:
        for byte in received:
            if byte == GO:
                self._go.set()
            else:
                self._free.append(byte)

    def _beat(self) -> None:
        try:
            self.send("alive")
        except OSError:
            self._leave()

    def finish(self) -> None:
        """Report that the reader has closed its connection."""
        self._finished.set()

    def _leave(self) -> None:
        """The parent wants no more: let the reader say goodbye to the camera, but not for long."""
        self.stopped = True
        if self._go.is_set():
            self._finished.wait(_CLOSE_S)
        os._exit(0)
