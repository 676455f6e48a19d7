"""Noticing that a camera which was switched off is back, without asking it for a stream all the time."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

from edgeseg.runtime.stream_address import Address

_STEP_S = 0.5
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


class PortWatch:
    """Tells when a port that was shut has opened.

    Only the change counts: an open port with no stream behind it is left alone until the next attempt
    is due.

    Args:
        address: of the camera; without a host there is nothing to watch.
        closing: ends any wait.
    """

    def __init__(self, address: Address, closing: threading.Event) -> None:
        self._closing = closing
        self._place = _host_and_port(address)
        self._was_shut = False

    def opened(self, timeout_s: float) -> bool:
        """Wait half a second, or ``timeout_s``; True when the port has opened since it was seen shut."""
        if self._place is None:
            self._closing.wait(timeout_s)
            return False
        if _is_open(self._place, min(_STEP_S, timeout_s)):
            if self._was_shut:
                return True
            self._place = None
            return False
        self._was_shut = True
        self._closing.wait(min(_STEP_S, timeout_s))
        return False


def _host_and_port(address: Address) -> tuple[str, int] | None:
    if address.kind not in ("rtsp", "http"):
        return None
    with contextlib.suppress(ValueError):
        parts = urlsplit(address.target)
        if parts.hostname:
            return parts.hostname, parts.port or _PORTS.get(parts.scheme, 554)
    return None


def _is_open(place: tuple[str, int], timeout_s: float) -> bool:
    try:
        socket.create_connection(place, timeout_s).close()
    except OSError:
        return False
    return True
