"""Telling systemd how a service does: sd_notify(3), without a library.

Does nothing where systemd did not ask (no ``NOTIFY_SOCKET``).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

_SHARE = 0.4
"""A watchdog is told at least twice in its time; sd_watchdog_enabled(3) recommends half of it."""


class Systemd:
    """What systemd wants to know from the process it started.

    Args:
        environment: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are taken out of it, so that children
            do not speak for their parent.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        micros, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        is_ours = not pid or pid == str(os.getpid())
        self._watchdog_s = int(micros) / 1e6 * _SHARE if micros.isdecimal() and is_ours else None
        self._told_s = 0.0
        self._is_ready = self._is_watched = False

    def progress(self) -> None:
        """Report that frames have come out since the last call: ready, and alive."""
        if not self._is_ready:
            self._is_ready = self._is_watched = True
            self._send("READY=1")
        self.alive()

    def alive(self) -> None:
        """Let the watchdog go on waiting. It begins to, and is told, from READY on."""
        if not self._is_watched:
            return
        now = time.monotonic()
        if self._watchdog_s is not None and now - self._told_s >= self._watchdog_s:
            self._told_s = now
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Set the line of ``systemctl status``."""
        self._send(f"STATUS={text}".replace("\n", " "))

    def reloading(self) -> None:
        """Report that the configuration is being read again; the next progress is READY anew."""
        self._is_ready = False
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the end has begun."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # systemd may be restarting itself; what is lost here is said again with the next frame.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.settimeout(0.2)
            link.sendto(state.encode(), path)
