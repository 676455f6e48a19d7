"""A camera that misbehaves on request: H.264 or H.265 over RTSP, interleaved in TCP (RFC 2326, RFC 6184, RFC 7798).

    python rtsp_server.py MODE [--port 0 --size 480x288 --fps 25 --slices 1 --after 1.0 --login user:password]
    python rtsp_server.py MODE --codec h265

Prints ``PORT n`` when it listens, on loopback only. Modes: ``ok``; ``deaf`` (DESCRIBE is never answered);
``missing`` (404); ``login`` (401 without the right user and password); ``cut`` (closes after ``--after``
seconds, but not before the first picture); ``resize`` (other size after ``--after`` seconds); ``corrupt``
(overwrites bytes, by ``--seed``); ``holes`` (leaves whole pictures out); ``padded`` (bytes behind each slice,
which no sane encoder writes); ``hiccup`` (after ``--after`` seconds nothing for 2 s, then all that was held
back); ``bare`` (no parameter sets in the description, only in the stream, as cheap cameras do); ``midway``
(begins between two key frames).

It ends by itself after ``--lifetime`` seconds, and at once when the process that started it is gone, even
while it is stopped.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import ctypes
import itertools
import os
import random
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from marked_picture import draw

PAYLOAD = 1390
_X265 = "log-level=none:pools=none:frame-threads=1:repeat-headers=1:scenecut=0:keyint={0}:min-keyint={0}:open-gop=0"
CLIENTS = 16


_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 {}\r\n{}a=control:trackID=0\r\n"
)


class Encoder:
    """Zero-latency video with a key frame twice a second, each picture in so many slices (H.264 only)."""

    def __init__(
        self, width: int, height: int, fps: int, slices: int = 1, codec_name: str = "h264", aspect: str = "1:1"
    ) -> None:
        codec: Any = av.CodecContext.create({"h264": "libx264", "h265": "libx265"}[codec_name], "w")
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, fps), Fraction(fps, 1)
        codec.sample_aspect_ratio = Fraction(aspect.replace(":", "/"))
        codec.gop_size, codec.max_b_frames = max(1, fps // 2), 0
        codec.options = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1", "slices": str(slices)}
        if codec_name == "h265":
            codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x265-params": _X265.format(codec.gop_size)}
        self._codec, self._size = codec, (height, width)

    def units(self, number: int) -> list[bytes]:
        """NAL units of picture ``number``, made now."""
        frame = av.VideoFrame.from_ndarray(draw(number, *self._size), format="bgr24")
        data = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        return [unit for unit in re.split(b"\x00\x00\x00\x01|\x00\x00\x01", data) if unit]


class Session(threading.Thread):
    """One client."""

    numbers = itertools.count()

    def __init__(self, client: socket.socket, args: argparse.Namespace) -> None:
        super().__init__(daemon=True)
        self._client, self._args = client, args
        self._width, self._height = (int(side) for side in args.size.split("x"))
        self._sequence = 0
        self._dice = random.Random(args.seed)

    def run(self) -> None:
        with contextlib.suppress(OSError), self._client:
            if self._handshake():
                self._play()

    def _handshake(self) -> bool:
        stream = self._client.makefile("rb")
        while line := stream.readline():
            headers = dict(self._headers(stream))
            if self._answer(line.split()[0], headers):
                return True
        return False

    @staticmethod
    def _headers(stream: Any) -> Iterator[tuple[str, str]]:
        while line := stream.readline().strip().decode():
            key, _, value = line.partition(":")
            yield key.lower(), value.strip()

    def _answer(self, method: bytes, headers: dict[str, str]) -> bool:
        """Reply; True when playing begins."""
        mode = self._args.mode
        if mode == "login" and headers.get("authorization") != self._expected_login():
            self._reply(headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n')
        elif method == b"DESCRIBE" and mode == "deaf":
            threading.Event().wait()
        elif method == b"DESCRIBE" and mode == "missing":
            self._reply(headers, "404 Not Found")
        elif method == b"DESCRIBE":
            self._reply(headers, extra="Content-Type: application/sdp\r\n", body=self._sdp())
        elif method == b"SETUP":
            self._reply(headers, extra="Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n")
        else:
            self._reply(headers, extra="Session: 1\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
        return method == b"PLAY"

    def _expected_login(self) -> str:
        return "Basic " + base64.b64encode(self._args.login.encode()).decode()

    def _reply(self, headers: dict[str, str], status: str = "200 OK", extra: str = "", body: str = "") -> None:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._client.sendall(f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{extra}{length}\r\n{body}".encode())

    def _sdp(self) -> str:
        if self._args.codec == "h265":
            return _SDP.format("H265/90000", "")
        first = Encoder(self._width, self._height, self._args.fps, self._args.slices, aspect=self._args.aspect).units(0)
        sets = ",".join(base64.b64encode(unit).decode() for unit in first if unit[0] & 31 in (7, 8))
        known = "" if self._args.mode == "bare" else f";sprop-parameter-sets={sets}"
        return _SDP.format("H264/90000", f"a=fmtp:96 packetization-mode=1{known}\r\n")

    def _play(self) -> None:
        args = self._args
        encoder = Encoder(self._width, self._height, args.fps, args.slices, args.codec, args.aspect)
        start = time.monotonic()
        for at in itertools.count():
            age = time.monotonic() - start
            if args.mode == "cut" and at and age >= args.after:
                return
            if args.mode == "resize" and age > args.after:
                encoder, args = Encoder(self._width // 2 * 3, self._height // 2 * 3, args.fps), _calm(args)
            if args.mode == "hiccup" and age > args.after:
                self._hold_back(encoder, at)
                args = _calm(args)
                start = time.monotonic() - (at + 2 * args.fps) / args.fps
                continue
            self._send_picture(encoder.units(next(self.numbers)), at, args)
            time.sleep(max(0.0, start + (at + 1) / args.fps - time.monotonic()))

    def _hold_back(self, encoder: Encoder, at: int) -> None:
        """Two seconds of pictures, made in time and sent all at once at the end."""
        held = []
        for _ in range(2 * self._args.fps):
            held.append(encoder.units(next(self.numbers)))
            time.sleep(1 / self._args.fps)
        for step, units in enumerate(held):
            self._send_picture(units, at + step, self._args)

    def _send_picture(self, units: list[bytes], at: int, args: argparse.Namespace) -> None:
        if (args.mode == "holes" and at % 10 == 4) or (args.mode == "midway" and at < 5):
            return
        for unit in units:
            if args.mode == "corrupt" and at > args.fps and at % 3 == 1 and len(unit) > 40:
                unit = self._damaged(unit)  # noqa: PLW2901
            if args.mode == "padded" and unit[0] & 31 in (1, 5):
                unit += b"\x55\xaa\x80"  # noqa: PLW2901
            self._send_unit(unit, at * 90000 // args.fps, unit is units[-1])

    def _damaged(self, unit: bytes) -> bytes:
        data = bytearray(unit)
        for _ in range(12):
            data[self._dice.randrange(2, len(data))] = self._dice.randrange(256)
        return bytes(data)

    def _send_unit(self, unit: bytes, ticks: int, last: bool) -> None:
        head = 2 if self._args.codec == "h265" else 1
        if len(unit) <= PAYLOAD + head:  # in pieces there are two or more: no piece may both start and end a unit
            self._send(unit, ticks, last)
            return
        kind, rest = unit[0], unit[head:]
        for at in range(0, len(rest), PAYLOAD):
            ends = (0x80 if at == 0 else 0) | (0x40 if (end := at + PAYLOAD >= len(rest)) else 0)
            if head == 2:
                header = bytes([(kind & 0x81) | 49 << 1, unit[1], ends | (kind >> 1 & 63)])
            else:
                header = bytes([(kind & 0xE0) | 28, ends | (kind & 31)])
            self._send(header + rest[at : at + PAYLOAD], ticks, last and end)

    def _send(self, payload: bytes, ticks: int, marker: bool) -> None:
        header = struct.pack("!BBHII", 0x80, 96 | (0x80 if marker else 0), self._sequence, ticks & 0xFFFFFFFF, 1)
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = header + payload
        self._client.sendall(struct.pack("!BBH", 0x24, 0, len(packet)) + packet)


def _calm(args: argparse.Namespace) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(args), "mode": "ok"})


def _end_with_parent(lifetime_s: int) -> None:
    """SIGKILL from the kernel reaches a stopped process too; where there is none, look every half second."""
    signal.alarm(lifetime_s)
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=_leave_without, args=(parent,), daemon=True).start()


def _leave_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", default="480x288")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--codec", choices=("h264", "h265"), default="h264")
    parser.add_argument("--slices", type=int, default=1)
    parser.add_argument("--aspect", default="1:1")
    parser.add_argument("--after", type=float, default=1.0)
    parser.add_argument("--login", default="user:password")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--lifetime", type=int, default=300)
    args = parser.parse_args()
    _end_with_parent(args.lifetime)
    with socket.create_server(("127.0.0.1", args.port), backlog=CLIENTS) as server:
        print(f"PORT {server.getsockname()[1]}", flush=True)
        while True:
            Session(server.accept()[0], args).start()


if __name__ == "__main__":
    main()
