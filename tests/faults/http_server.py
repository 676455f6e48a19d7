"""A web server on loopback for tests: MJPEG cameras, playlists and files, and a log of what was asked for."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import numpy.typing as npt

Paint = Callable[[int], npt.NDArray[np.uint8]]


class WebCamera:
    """Serves ``/cam.mjpg`` (multipart JPEG made by ``paint``) and the files of ``folder``, in threads of this process.

    Args:
        paint: BGR picture by its number.
        fps: of the MJPEG stream.
        folder: whose files are served, with ranges.
        login: ``user:password`` that must come with each request.
        pictures: after so many the MJPEG connection is closed; 0 for never.
        away: where ``/away`` redirects to.
        cut: files are cut off after so many bytes, though announced whole; 0 for never.
    """

    def __init__(
        self,
        paint: Paint | None = None,
        fps: float = 25.0,
        folder: Path | None = None,
        login: str = "",
        pictures: int = 0,
        away: str = "",
        cut: int = 0,
    ) -> None:
        self.paint, self.fps, self.folder, self.login, self.pictures = paint, fps, folder, login, pictures
        self.away, self.cut = away, cut
        self.asked: list[str] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.camera = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str, login: str = "") -> str:
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.port}/{path}"

    def jpegs(self) -> Iterator[bytes]:
        """One each 1/fps of a second."""
        start_s, number = time.monotonic(), 0
        while self.paint is not None and (not self.pictures or number < self.pictures):
            _, data = cv2.imencode(".jpg", self.paint(number), [cv2.IMWRITE_JPEG_QUALITY, 95])
            yield data.tobytes()
            number += 1
            if self.closing.wait(max(0.0, start_s + number / self.fps - time.monotonic())):
                return

    def __enter__(self) -> WebCamera:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    camera: WebCamera

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        camera, name = self.server.camera, self.path.lstrip("/").partition("?")[0]
        camera.asked.append(name)
        if camera.login and self.headers.get("Authorization") != _basic(camera.login):
            self._say(401, b"", **{"WWW-Authenticate": 'Basic realm="camera"'})
        elif name == "cam.mjpg" and camera.paint is not None:
            with contextlib.suppress(OSError):
                self._stream(camera)
        elif name == "away":
            self._say(302, b"", Location=camera.away)
        elif camera.folder is not None and (camera.folder / name).is_file():
            self._file((camera.folder / name).read_bytes())
        else:
            self._say(404, b"")

    def _stream(self, camera: WebCamera) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        for data in camera.jpegs():
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")

    def _file(self, data: bytes) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            self._say(200, data, **{"Accept-Ranges": "bytes"})
            return
        start, end = int(found[1]), int(found[2] or len(data) - 1)
        self._say(206, data[start : end + 1], **{"Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")  # what FFmpeg asks for; unsaid, it tries the closed connection again
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body[: self.server.camera.cut or None])

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()
