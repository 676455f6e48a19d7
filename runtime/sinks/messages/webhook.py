"""Messages to a web address: signed, tried again, and never waited for by anybody else.

Signed as https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md says: the headers
``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``, which is ``v1,`` and base64 of HMAC-SHA256 over
``ID.TIMESTAMP.BODY``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.events.redact import redact, split_url

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

WAITING = 100
"""So many messages wait for a receiver that is slow or away; the oldest beyond that are lost and counted."""
TRIES = 5
_TIMEOUT_S, _FIRST_PAUSE_S = 5.0, 1.0
_TRY_AGAIN = {408, 425, 429}
"""Refusals that may pass; other ones of 400 to 499 are final."""


def sign(secret: bytes, name: str, timestamp: int, body: bytes) -> str:
    """Sign a message.

    >>> sign(b"key", "msg_1", 1700000000, b"{}")
    'v1,XaXLFEFQ69Q4+demDWPEv5ydXczDW2mM5crCUEFcFBA='
    """
    signed = hmac.new(secret, f"{name}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


class Webhook:
    """Posts JSON to an address from a thread of its own, in order.

    Args:
        address: http:// or https://, with a login where one is needed.
        secret: to sign with; None for no signature.
        on_event: is told once that messages do not arrive, and when they do again.
        pause_s: before the second try; each later pause is twice the one before.

    Attributes:
        lost: messages that had no room, were refused, or failed each time.
    """

    def __init__(self, address: str, secret: bytes | None, on_event: OnEvent, pause_s: float = _FIRST_PAUSE_S) -> None:
        self.lost = 0
        url = split_url(address)
        self._url, self._shown = f"{url.scheme}://{url.rest}", redact(address)
        self._login = f"{url.user}:{url.password}".encode() if url.user else b""
        self._secret, self._on_event, self._pause_s = secret, on_event, pause_s
        self._opener = _open_no_redirect()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._change, self._ending, self._busy, self._is_away = threading.Condition(), threading.Event(), False, False
        self._thread = threading.Thread(target=self._run, name="edgeseg-webhook-post", daemon=True)
        self._thread.start()

    def post(self, message: Mapping[str, Any]) -> None:
        """Queue a message; nobody waits."""
        with self._change:
            if len(self._waiting) == WAITING:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append((f"msg_{secrets.token_hex(16)}", json.dumps(message).encode()))
            self._change.notify_all()

    def close(self, patience_s: float) -> None:
        """Wait at most so long for what is queued; the rest is lost and counted."""
        with self._change:
            self._change.wait_for(lambda: not self._waiting and not self._busy, patience_s)
            self.lost += len(self._waiting) + self._busy
            self._waiting.clear()
            self._ending.set()
            self._change.notify_all()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._ending.is_set())
                if self._ending.is_set():
                    return
                name, body = self._waiting.popleft()
                self._busy = True
            failure = self._deliver(name, body)
            with self._change:
                self._busy = False
                self._change.notify_all()
            if not self._ending.is_set():
                self._take_note(failure)

    def _deliver(self, name: str, body: bytes) -> str:
        """Try until it arrives; why it did not, or an empty text."""
        failure, pause_s = "", self._pause_s
        for number in range(TRIES):
            if number and self._ending.wait(pause_s):
                break
            pause_s *= 2 if number else 1
            failure, is_final = self._try(name, body)
            if not failure or is_final:
                break
        return failure

    def _try(self, name: str, body: bytes) -> tuple[str, bool]:
        """Send once: why it failed, and whether trying again is in vain."""
        import http.client
        import urllib.error
        import urllib.request

        timestamp = int(time.time())
        headers = {"Content-Type": "application/json", "webhook-id": name, "webhook-timestamp": str(timestamp)}
        if self._secret is not None:
            headers["webhook-signature"] = sign(self._secret, name, timestamp, body)
        if self._login:
            headers["Authorization"] = f"Basic {base64.b64encode(self._login).decode()}"
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S):
                return "", False
        except urllib.error.HTTPError as error:
            with error:
                return f"it answers {error.code}", error.code < 500 and error.code not in _TRY_AGAIN
        except (OSError, http.client.HTTPException) as error:
            return f"it cannot be reached ({type(error).__name__})", False

    def _take_note(self, failure: str) -> None:
        if failure:
            self.lost += 1
        if bool(failure) == self._is_away:
            return
        self._is_away = bool(failure)
        if failure:
            message = f"{self._shown} takes no messages: {failure}. Inference goes on, and later ones are tried too."
            self._on_event(Event("output-stopped", "webhook", message, "output"))
        else:
            message = f"{self._shown} takes messages again; {self.lost} are missing."
            self._on_event(Event("output-resumed", "webhook", message, facts={"missing": self.lost}))


def _open_no_redirect() -> OpenerDirector:
    """A redirect is a refusal: a message goes where it was meant to go."""
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return urllib.request.build_opener(NoRedirect)
