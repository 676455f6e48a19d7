"""Noticing that a camera which was away is back, without asking it for a stream all the time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

from edgeseg.runtime.cameras.address import Address

_STEP_S = 0.5
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


class PortWatch:
    """Tells when a camera that did not answer answers.

    Only the change counts: one that answers and gives no stream is left alone until the next attempt is
    due. RTSP is asked for its options, because the port of a camera that hangs stays open; other ports
    have to open.

    Args:
        address: of the camera; without a host there is nothing to watch.
        closing: ends any wait.
    """

    def __init__(self, address: Address, closing: threading.Event) -> None:
        self._closing = closing
        self._place = _host_and_port(address)
        self._question = _question(address)
        self._was_silent = False

    def wait_until_open(self, timeout_s: float) -> bool:
        """Wait half a second, or ``timeout_s``; True when the camera answers and did not before."""
        if self._place is None:
            self._closing.wait(timeout_s)
            return False
        step_s = min(_STEP_S, timeout_s)
        due_s = time.monotonic() + step_s
        if _answers(self._place, self._question, step_s):
            if self._was_silent:
                return True
            self._place = None
            return False
        self._was_silent = True
        self._closing.wait(max(0.0, due_s - time.monotonic()))
        return False


def _host_and_port(address: Address) -> tuple[str, int] | None:
    if address.kind not in ("rtsp", "http"):
        return None
    with contextlib.suppress(ValueError):
        parts = urlsplit(address.target)
        if parts.hostname:
            return parts.hostname, parts.port or _PORTS.get(parts.scheme, 554)
    return None


def _question(address: Address) -> bytes:
    """What RTSP answers before any login; nothing for what is encrypted, or no RTSP."""
    if not address.target.startswith("rtsp://"):
        return b""
    place = address.target.removeprefix("rtsp://").rpartition("@")[2]
    return f"OPTIONS rtsp://{place} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: edgeseg\r\n\r\n".encode()


def _answers(place: tuple[str, int], question: bytes, timeout_s: float) -> bool:
    try:
        with socket.create_connection(place, timeout_s) as camera:
            if not question:
                return True
            camera.sendall(question)
            return camera.recv(5) == b"RTSP/"
    except OSError:
        return False
