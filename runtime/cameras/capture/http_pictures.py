"""One address asked again and again over HTTP: one connection kept, each answer bounded in bytes and time."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit

from edgeseg.runtime.cameras.capture.http_login import HttpLogin
from edgeseg.runtime.cameras.capture.stream_fault import StreamFault
from edgeseg.runtime.cameras.capture.tls import check_certificate, pin_fault
from edgeseg.runtime.cameras.capture.tls_trust import SYSTEM, Trust

if TYPE_CHECKING:  # slow to import, and needed by a camera of pictures alone
    import http.client
    from email.message import Message

MOST_BYTES = 64 << 20
_CHUNK = 1 << 16
_MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_FAULTS = {
    401: ("unauthorized", "user or password is wrong or missing (401)"),
    403: ("forbidden", "access is forbidden (403)"),
    404: ("not found", "there is no picture of this name (404)"),
    410: ("not found", "there is no picture of this name any more (410)"),
}
_STREAMS = ("multipart/", "video/", "audio/", "application/vnd.apple.mpegurl", "application/x-mpegurl")


@dataclass(frozen=True)
class HttpAnswer:
    """What came.

    Attributes:
        status: 200, or 304 for what has not changed.
        headers: of the answer.
        body: None for a stream, which is not read.
        arrived_s: monotonic time at which it began to come.
    """

    status: int
    headers: Message
    body: bytes | None
    arrived_s: float


class HttpPictures:
    """Asks one address for its picture.

    Args:
        target: ``http://`` or ``https://``, with a login where one is needed.
        timeout_s: for each answer as a whole.
        trust: which certificate is taken.
    """

    def __init__(self, target: str, timeout_s: float, trust: Trust = SYSTEM) -> None:
        parts = urlsplit(target)
        self._login = HttpLogin(unquote(parts.username or ""), unquote(parts.password or ""))
        self._first = self._target = target
        self._timeout_s, self._trust = timeout_s, trust
        self._connection: http.client.HTTPConnection | None = None

    def get(self, headers: dict[str, str]) -> HttpAnswer:
        """Ask once, and again where a login is asked for or another address is named.

        Args:
            headers: to be sent beside the usual ones.

        Raises:
            StreamFault: no picture and no stream came.
        """
        due_s = time.monotonic() + self._timeout_s
        has_answered = False
        for _ in range(_MOST_REDIRECTS + 2):
            response = self._ask(headers, due_s)
            arrived_s, status = time.monotonic(), response.status
            if status == 401 and self._login.is_known and not has_answered:
                self._read(response, due_s)
                self._login.take_challenge(response.headers.get_all("WWW-Authenticate", []))
                has_answered = True
            elif status in _REDIRECTS:
                self._read(response, due_s)
                self._go_to(response.headers.get("Location", ""))
            elif status == 304:
                self._read(response, due_s)
                return HttpAnswer(status, response.headers, b"", arrived_s)
            elif status == 200:
                return HttpAnswer(status, response.headers, self._body(response, due_s), arrived_s)
            else:
                self.close()
                raise StreamFault(
                    *_FAULTS.get(status, ("server error", f"the server answered with an error ({status})"))
                )
        raise StreamFault("not found", "it refers from one address to the next without an end")

    def close(self) -> None:
        """Close the connection; :meth:`get` opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _body(self, response: http.client.HTTPResponse, due_s: float) -> bytes | None:
        if response.headers.get_content_type().lower().startswith(_STREAMS):
            self.close()
            return None
        return self._read(response, due_s)

    def _ask(self, headers: dict[str, str], due_s: float) -> http.client.HTTPResponse:
        """Send a request; a connection that was kept and is closed by now is no fault, and another one is opened."""
        import http.client

        is_kept = self._connection is not None
        try:
            return self._send(headers, due_s)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.close()
            if not is_kept:
                raise StreamFault("closed", "the other side closed the connection") from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._fault(error) from None
        try:
            return self._send(headers, due_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._fault(error) from None

    def _send(self, headers: dict[str, str], due_s: float) -> http.client.HTTPResponse:
        parts = urlsplit(self._target)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
        connection = self._open(due_s)
        said = {"User-Agent": "edgeseg", "Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity", **headers}
        if (authorization := self._login.authorization("GET", path)) is not None:
            said["Authorization"] = authorization
        connection.request("GET", path, headers=said)
        return connection.getresponse()

    def _open(self, due_s: float) -> http.client.HTTPConnection:
        left_s = max(0.1, due_s - time.monotonic())
        if self._connection is None:
            self._connection = self._connect(left_s)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(left_s)
        return self._connection

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        import http.client
        import ssl

        parts = urlsplit(self._target)
        host, port, trust = parts.hostname or "", parts.port, self._trust
        if parts.scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        context = ssl.create_default_context(cafile=trust.ca_file or None)
        if trust.insecure or trust.fingerprint:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secured = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        secured.connect()
        if trust.fingerprint:
            found = hashlib.sha256(secured.sock.getpeercert(binary_form=True) or b"").hexdigest()
            if found != trust.fingerprint:
                secured.close()
                raise pin_fault(found)
        return secured

    def _go_to(self, location: str) -> None:
        """Follow to another address; a login is for the host that it was given for, and for no other."""
        self.close()
        there = urlsplit(urljoin(self._target, location))
        if there.scheme not in ("http", "https") or not there.hostname:
            raise StreamFault("unsupported", "it refers to an address that is not http:// or https://")
        here = urlsplit(self._first)
        if there.scheme == "http" and here.scheme == "https":
            raise StreamFault("unsupported", "it refers from https:// to http://, which is not encrypted")
        if there.hostname != here.hostname:
            self._login = HttpLogin("", "")
        self._target = there.geturl()

    def _read(self, response: http.client.HTTPResponse, due_s: float) -> bytes:
        """Read a body whole; however slowly it drips, it is over by then."""
        import http.client

        pieces: list[bytes] = []
        size = 0
        try:
            while piece := response.read1(_CHUNK):
                pieces.append(piece)
                size += len(piece)
                if size > MOST_BYTES:
                    raise StreamFault("too large", f"more than {MOST_BYTES >> 20} MiB came for one picture")
                if time.monotonic() > due_s:
                    raise TimeoutError
            if response.length:  # what is left of the announced length
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._fault(error) from None
        except StreamFault:
            self.close()
            raise
        response.close()  # the answer, not the connection
        if response.will_close:
            self.close()
        return b"".join(pieces)

    def _fault(self, error: Exception) -> StreamFault:
        import http.client
        import ssl

        if isinstance(error, ssl.SSLCertVerificationError):
            try:
                check_certificate(self._target, self._trust)
            except StreamFault as fault:
                return fault
        if isinstance(error, ConnectionRefusedError):
            return StreamFault("refused", "the connection was refused")
        if isinstance(error, TimeoutError):
            return StreamFault("timeout", "nothing came in time")
        if isinstance(error, http.client.IncompleteRead | ConnectionError):
            return StreamFault("closed", "the other side closed the connection")
        if isinstance(error, http.client.HTTPException):
            return StreamFault("broken", f"what came is no HTTP ({type(error).__name__})")
        return StreamFault(
            "broken", f"the connection broke off ({getattr(error, 'strerror', '') or type(error).__name__})"
        )
