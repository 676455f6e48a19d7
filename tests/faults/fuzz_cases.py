"""Mutated files through the doors that take files from strangers, in a process of its own.

    python fuzz_cases.py KIND SEED SECONDS FOLDER FILE [FILE ...]

KIND is ``images``, ``videos``, ``artifacts``, ``headers`` or ``streams``. Each case has a number, and with the seed it
can be made again. A case may be read or refused with one of edgeseg's own errors; anything else ends the process
with a traceback, and a crash ends it with a signal. ``FOLDER/case`` names the case that is being tried, and the last
line printed holds how many were.
"""

from __future__ import annotations

import collections
import functools
import http.server
import json
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from edgeseg import artifact
from edgeseg.artifact import Artifact
from edgeseg.errors import EdgesegError
from edgeseg.image import read_image, read_mask
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.sources.source import open_source
from edgeseg.runtime.trt.onnx_header import read_onnx_header

Case = Callable[[random.Random, Path, Path], None]
_FRAMES = 50
_ODD: list[Any] = [None, -1, 0, 10**30, 1.5, float("nan"), "", "../x", "\u0000", [], {}, True, ["a"] * 300, {"a": {}}]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, cut, doubled, or replaced by what decoders stumble over."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        at = chance.randrange(max(1, len(out)))
        kind = chance.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            out[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif kind == 2:
            del out[at : at + chance.randrange(1, 2000)]
        elif kind == 3:
            out[at:at] = out[at : at + chance.randrange(1, 2000)]
        elif kind == 4:
            out[at:at] = chance.randbytes(chance.randrange(1, 200))
        elif len(out) > 64:
            del out[max(64, at) :]
    return bytes(out)


def image_case(chance: random.Random, file: Path, folder: Path) -> None:
    target = folder / f"case{file.suffix}"
    target.write_bytes(mutated(file.read_bytes(), chance))
    chance.choice((read_image, read_mask))(target)


def video_case(chance: random.Random, file: Path, folder: Path) -> None:
    target = folder / f"case{file.suffix}"
    target.write_bytes(mutated(file.read_bytes(), chance))
    with open_source(str(target), lambda _: None) as source:
        for _, _frame in zip(range(_FRAMES), source, strict=False):
            pass


def header_case(chance: random.Random, file: Path, folder: Path) -> None:
    read_onnx_header(mutated(file.read_bytes(), chance))


def artifact_case(chance: random.Random, file: Path, folder: Path) -> None:
    """A manifest that is wrong and properly signed, or any file of the artifact changed under its digest."""
    target = folder / "artifact"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(file, target)
    if chance.random() < 0.7:
        values = json.loads((target / "edgeseg.json").read_text())
        for _ in range(chance.randrange(1, 4)):
            _spoil(values, chance)
        _sign(target, values)
    else:
        part = chance.choice(sorted(target.iterdir()))
        part.write_bytes(mutated(part.read_bytes(), chance))
    Artifact.open(target)


def _sign(target: Path, values: dict[str, Any]) -> None:
    """As somebody would who knows the format."""
    values["digest"] = artifact._manifest_digest(values)
    (target / "edgeseg.json").write_text(json.dumps(values))


def _spoil(values: Any, chance: random.Random) -> None:
    """One value somewhere in a JSON document becomes another, goes, or gets a stranger beside it."""
    while isinstance(values, dict) and values:
        key = chance.choice(list(values))
        if isinstance(values[key], dict) and chance.random() < 0.7:
            values = values[key]
            continue
        action = chance.randrange(3)
        if action == 0:
            values[key] = chance.choice(_ODD)
        elif action == 1:
            del values[key]
        else:
            values[f"{key}x"] = values[key]
        return


class StreamServer(http.server.BaseHTTPRequestHandler):
    """Serves whatever ``payload`` holds, as long as the client likes."""

    payload = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/MP2T")
        self.end_headers()
        try:
            self.wfile.write(self.payload)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


@functools.cache
def stream_address() -> str:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StreamServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/live.ts"


def stream_case(chance: random.Random, file: Path, folder: Path) -> None:
    """A live source whose camera sends this: its decoder may die, the reader may not."""
    StreamServer.payload = mutated(file.read_bytes(), chance)
    limits = Limits(timeout_s=1, open_timeout_s=1.5)
    with open_source(stream_address(), lambda _: None, lambda _: None, limits) as source:
        threading.Timer(1.0, source.stop).start()
        for _, _frame in zip(range(_FRAMES), source, strict=False):
            pass


CASES: dict[str, Case] = {
    "images": image_case,
    "videos": video_case,
    "headers": header_case,
    "artifacts": artifact_case,
    "streams": stream_case,
}


def main() -> None:
    kind, seed, seconds, folder, *files = sys.argv[1:]
    av.logging.set_level(None)
    due_s, outcomes = time.monotonic() + float(seconds), collections.Counter[str]()
    number = 0
    while time.monotonic() < due_s:
        Path(folder, "case").write_text(f"{kind} {seed} {number} {files[number % len(files)]}")
        chance = random.Random(f"{seed}/{kind}/{number}")
        try:
            CASES[kind](chance, Path(files[number % len(files)]), Path(folder))
            outcomes["read"] += 1
        except EdgesegError as error:
            outcomes[type(error).__name__] += 1
        number += 1
    print(json.dumps({"kind": kind, "cases": number, **outcomes}))


if __name__ == "__main__":
    main()
