"""Why a stream could not be opened or did not go on, told by the capture process to its parent."""

from __future__ import annotations

from typing import Any

PERMANENT = {
    "unauthorized",
    "certificate",
    "forbidden",
    "not found",
    "unknown host",
    "not a video",
    "too large",
    "unsupported",
}
"""Reasons that waiting does not cure, unless the stream has worked before."""


class StreamFault(Exception):
    """Args: ``reason`` is one word or two for programs, ``message`` a sentence without a subject."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def fault_from_av(av: Any, error: Exception) -> StreamFault:
    """Find the fault behind an exception of PyAV, whose own text holds the address with the password."""
    for kind, reason, message in _known(av):
        if isinstance(error, kind):
            return StreamFault(reason, message)
    return StreamFault("broken", f"the stream broke off ({getattr(error, 'strerror', None) or type(error).__name__})")


def _known(av: Any) -> list[tuple[type[Exception], str, str]]:
    e = av.error
    return [
        (e.HTTPUnauthorizedError, "unauthorized", "user or password is wrong or missing (401)"),
        (e.HTTPForbiddenError, "forbidden", "access is forbidden (403)"),
        (e.HTTPNotFoundError, "not found", "there is no stream of this name (404)"),
        (e.HTTPError, "server error", "the server answered with an error"),
        (e.ConnectionRefusedError, "refused", "the connection was refused"),
        (e.TimeoutError, "timeout", "nothing came in time"),
        (e.ExitError, "timeout", "nothing came in time"),
        (e.ConnectionResetError, "closed", "the other side closed the connection"),
        (e.BrokenPipeError, "closed", "the other side closed the connection"),
        (e.EOFError, "closed", "the stream ended"),
        (e.FileNotFoundError, "missing", "the device is not there"),
        (e.PermissionError, "forbidden", "no permission to read the device (on Linux: group video)"),
        (e.InvalidDataError, "not a video", "what came is not a video"),
        (e.ProtocolNotFoundError, "unsupported", "it needs a protocol that is not allowed"),
    ]
