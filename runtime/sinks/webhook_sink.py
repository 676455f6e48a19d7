"""Alarms to a web address."""

from __future__ import annotations

import datetime
from pathlib import Path

from edgeseg.errors import UserError
from edgeseg.files.input_file import read_text
from edgeseg.runtime.events.event import OnEvent, ignore_event
from edgeseg.runtime.events.redact import redact, split_url
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.messages.webhook import Webhook
from edgeseg.runtime.sinks.sink import ClosableSink

_FILE_PATIENCE_S, _LIVE_PATIENCE_S = 10.0, 1.0
_SHORTEST_SECRET = 16


def check_webhook(address: str) -> None:
    """Raise UserError for what is no address of a web server; its credentials are hidden."""
    url = split_url(address)
    if url.scheme not in ("http", "https") or not url.rest.strip("/") or any(sign.isspace() for sign in url.rest):
        raise UserError(f"`webhook` is http://HOST/PATH or https://HOST/PATH; found {redact(address)!r}.")


def read_secret(path: Path) -> bytes:
    """Read what messages are signed with: the text of a file, without spaces and newlines about it.

    Raises:
        UserError: it cannot be read, or is shorter than 16 signs.
    """
    secret = read_text(path, UserError).strip()
    if len(secret) < _SHORTEST_SECRET:
        raise UserError(f"{path} holds {len(secret)} signs; a secret has at least {_SHORTEST_SECRET}.")
    return secret.encode()


class WebhookSink(ClosableSink):
    """Posts each alarm as it comes and goes: ``type`` (``alarm.raised``, ``alarm.cleared``), ``timestamp``, ``data``.

    Args:
        address: http:// or https://.
        secret: a file with what messages are signed with; None for no signature.
        live: leave at once in the end, as a camera's run must; else give what waits ten seconds.
        on_event: is told when messages do not arrive.

    Raises:
        UserError: no such address, or no such secret.
    """

    name = "webhook"
    newest_only = False

    def __init__(
        self, address: str, secret: Path | None = None, live: bool = False, on_event: OnEvent = ignore_event
    ) -> None:
        check_webhook(address)
        self._webhook = Webhook(address, read_secret(secret) if secret else None, on_event)
        self._patience_s = _LIVE_PATIENCE_S if live else _FILE_PATIENCE_S

    @property
    def lost(self) -> int:
        """Messages that did not arrive."""
        return self._webhook.lost

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Send the alarms of this frame."""
        self._expect_open()
        analysis = prediction.analysis
        for alarm in analysis.alarms if analysis is not None else ():
            now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
            data = {"source": redact(frame.source), "index": frame.index, "media_s": frame.media_s, **alarm.to_dict()}
            self._webhook.post({"type": f"alarm.{alarm.state}", "timestamp": now, "data": data})

    def close(self) -> None:
        """Give what waits a little time."""
        if not self._is_closed:
            self._webhook.close(self._patience_s)
        super().close()
