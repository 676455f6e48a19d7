"""A camera on loopback that gives one picture an answer, as IP cameras do, and notes who asked how."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import cv2
import numpy as np


def jpeg(shade: int) -> bytes:
    """A grey picture of 64x48 as JPEG."""
    return cv2.imencode(".jpg", np.full((48, 64, 3), shade, np.uint8))[1].tobytes()


class SnapshotCamera:
    """Answers every path with ``body``, until something else is set; all of it may be changed at any time.

    Attributes:
        body: of the answers.
        headers: of the answers, beside the length.
        status: of the answers to who may ask.
        etag: whether the answers hold one, and conditions with it are kept.
        login: ``user:password``; none is asked for where it is empty.
        digest: the algorithm of the login; empty for basic.
        location: where every other path than ``/snapshot.jpg`` redirects to.
        closes: end the connection after each answer without a word.
        drip_s: wait before each byte of a body.
        nonce: of the login; a new one makes older answers stale.
        connections: how many there were.
        asked: the headers of each request.
    """

    def __init__(self, login: str = "", digest: str = "") -> None:
        self.body = jpeg(100)
        self.headers = {"Content-Type": "image/jpeg"}
        self.status, self.etag = 200, False
        self.login, self.digest, self.location = login, digest, ""
        self.closes, self.drip_s, self.nonce = False, 0.0, "first"
        self.connections = 0
        self.asked: list[dict[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.camera = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "snapshot.jpg", login: str = "", host: str = "127.0.0.1") -> str:
        return f"http://{login}{'@' if login else ''}{host}:{self.port}/{path}"

    def __enter__(self) -> SnapshotCamera:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    camera: SnapshotCamera

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 20

    def setup(self) -> None:
        super().setup()
        self.server.camera.connections += 1

    def do_GET(self) -> None:
        camera = self.server.camera
        camera.asked.append(dict(self.headers.items()))
        tag = f'"{hashlib.md5(camera.body).hexdigest()[:8]}"'
        if camera.login and not self._may():
            self._say(401, b"", {"WWW-Authenticate": self._challenge()})
        elif camera.location and not self.path.startswith("/snapshot.jpg"):
            self._say(302, b"", {"Location": camera.location})
        elif camera.etag and self.headers.get("If-None-Match") == tag:
            self._say(304, b"", {})
        else:
            self._say(camera.status, camera.body, {**camera.headers, **({"ETag": tag} if camera.etag else {})})

    def _challenge(self) -> str:
        camera = self.server.camera
        if not camera.digest:
            return 'Basic realm="camera"'
        return f'Digest realm="IP Camera(1)", nonce="{camera.nonce}", qop="auth", algorithm={camera.digest}, opaque="o"'

    def _may(self) -> bool:
        camera, said = self.server.camera, self.headers.get("Authorization", "")
        if not camera.digest:
            return said == "Basic " + base64.b64encode(camera.login.encode()).decode()
        told = dict(re.findall(r'(\w+)="?([^",]*)"?', said))
        make = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[camera.digest]
        user, _, password = camera.login.partition(":")
        secret = make(f"{user}:IP Camera(1):{password}".encode()).hexdigest()
        request = make(f"GET:{self.path}".encode()).hexdigest()
        words = (secret, camera.nonce, told.get("nc", ""), told.get("cnonce", ""), "auth", request)
        return told.get("response") == make(":".join(words).encode()).hexdigest()

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.camera.drip_s:
            for at in range(len(body)):
                time.sleep(self.server.camera.drip_s)
                self.wfile.write(body[at : at + 1])
        else:
            self.wfile.write(body)
        self.close_connection = self.server.camera.closes

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""
