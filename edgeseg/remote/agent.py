"""What runs on the other machine for as long as a command does: standard library only, Python 3.7 or later.

Its source comes as the first bytes of its standard input. After that both sides send frames, a letter and a length
before each. It unpacks what it is sent into a folder of its own, carries out one command there, sends back what that
printed and left, and removes the folder: at the end, when its input ends, when it hears nothing for a minute, and when
it is told to stop.

====  =======================================  ====  ===========================================
to it                                          from it
====  =======================================  ====  ===========================================
H     JSON: what is to be done                 P     JSON: its folder, and which Python it takes
T     a piece of a tar archive; empty: its end O, E  what the command printed, standard output, error
B     somebody is still there                  R     a piece of a tar archive of what was left
..                                             X     JSON: exit code, or the fault
====  =======================================  ====  ===========================================
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from typing import Any

MAGIC = b"\nedgeseg-agent-1\n"
HEAD = struct.Struct(">cI")
PIECE = 1 << 16
SILENCE_S, GRACE_S, PROBE_S = 60.0, 5.0, 60.0
VENV = "~/edgeseg-venv/bin/python"
PROBE = """
import sys, json
from importlib.util import find_spec
missing = [name for name in sys.argv[1:] if find_spec(name) is None]
print(json.dumps({"version": list(sys.version_info[:3]), "missing": missing}))
"""


class Gone(Exception):
    """Nobody is there any more."""


class Line:
    """Frames over standard input and output."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def send(self, kind: bytes, content: bytes) -> None:
        """Send one frame."""
        with self.lock:
            data = memoryview(HEAD.pack(kind, len(content)) + content)
            while data:
                data = data[os.write(1, data) :]

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for one frame."""
        kind, length = HEAD.unpack(self._read(HEAD.size))
        return kind, self._read(length)

    def _read(self, length: int) -> bytes:
        parts: list[bytes] = []
        while length:
            if not select.select([0], [], [], SILENCE_S)[0]:
                raise Gone
            part = os.read(0, min(length, PIECE))
            if not part:
                raise Gone
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


class Pieces(io.RawIOBase):
    """The archive that comes, as a file."""

    def __init__(self, line: Line) -> None:
        self.line, self.rest, self.ended = line, b"", False

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give so many bytes, fewer at the end only."""
        while not self.ended and (size < 0 or len(self.rest) < size):
            kind, content = self.line.receive()
            if kind == b"T":
                self.ended = not content
                self.rest += content
        size = len(self.rest) if size < 0 else size
        found, self.rest = self.rest[:size], self.rest[size:]
        return found


class Sending(io.RawIOBase):
    """An archive that goes, as a file."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, content: Any) -> int:
        """Send bytes as frames."""
        for start in range(0, len(content), PIECE):
            self.line.send(b"R", bytes(content[start : start + PIECE]))
        return len(content)


def main() -> None:
    """Do what the other side asks for."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    line = Line()
    os.write(1, MAGIC)
    folder = ""
    try:
        asked = json.loads(line.receive()[1].decode())
        folder = tempfile.mkdtemp(prefix="edgeseg-")
        python, found = choose_python(asked)
        told = {"folder": os.path.realpath(folder), "python": python, "found": found}
        line.send(b"P", json.dumps(told).encode())
        if python is not None:
            unpack(line, folder)
            end = {"code": carry_out(line, folder, python, asked)}
            send_results(line, folder, asked["fetch"])
            line.send(b"X", json.dumps(end).encode())
    except Gone:
        pass
    except OSError as error:
        report(line, {"fault": error.strerror or str(error), "errno": error.errno, "file": str(error.filename or "")})
    except (tarfile.TarError, zipfile.BadZipFile) as error:
        report(line, {"fault": str(error)})
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def stop(*_: Any) -> None:
    """End as if nobody were there."""
    raise Gone


def report(line: Line, fault: dict[str, Any]) -> None:
    """Say what went wrong, if somebody is still there."""
    with contextlib.suppress(OSError):
        line.send(b"X", json.dumps(fault).encode())


def choose_python(asked: dict[str, Any]) -> tuple[str | None, list[dict[str, Any]]]:
    """Find the first interpreter that is new enough and has every module that is needed, and say what others lack."""
    names = [asked["python"]] if asked["python"] else [VENV, of_command(), sys.executable, "python3"]
    found: list[dict[str, Any]] = []
    paths = [shutil.which(os.path.expanduser(name)) for name in names if name]
    for path in dict.fromkeys(paths):
        if path is None:
            continue
        about = examine(path, asked["modules"])
        if about is not None and about["version"] >= asked["least"] and not about["missing"]:
            return path, found
        found.append({"python": path, **(about or {"version": None, "missing": []})})
    return None, found


def of_command() -> str | None:
    """Find the interpreter of the command edgeseg, by its first line."""
    command = shutil.which("edgeseg")
    if command is None:
        return None
    try:
        with open(command, "rb") as file:
            first = file.readline(4096).decode("utf-8", "replace").strip()
    except OSError:
        return None
    return first[2:].strip() if first.startswith("#!") else None


def examine(python: str, modules: list[str]) -> dict[str, Any] | None:
    """Ask an interpreter for its version and the modules that it lacks."""
    try:
        done = subprocess.run(
            [python, "-c", PROBE, *modules],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_S,
            check=False,
        )
        about: dict[str, Any] = json.loads(done.stdout.decode())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return about


def unpack(line: Line, folder: str) -> None:
    """Write what comes into the folder."""
    for name in ("out", "code", "tmp", "cache", "in"):
        os.mkdir(os.path.join(folder, name))
    with tarfile.open(fileobj=Pieces(line), mode="r|") as archive:
        for member in archive:
            if hasattr(tarfile, "data_filter"):
                archive.extract(member, folder, filter="data")
            else:
                archive.extract(member, folder)
    with zipfile.ZipFile(os.path.join(folder, "edgeseg.whl")) as wheel:
        wheel.extractall(os.path.join(folder, "code"))


def carry_out(line: Line, folder: str, python: str, asked: dict[str, Any]) -> int:
    """Run the command, hand on what it prints, and end it when nobody waits for it any more."""
    within = {name: os.path.join(folder, name) for name in ("code", "tmp", "cache")}
    added = {"PYTHONPATH": within["code"], "TMPDIR": within["tmp"], "XDG_CACHE_HOME": within["cache"]}
    environment = {**os.environ, **added, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", **asked["env"]}
    child = subprocess.Popen(
        [python, "-m", "edgeseg", *asked["words"]],
        cwd=os.path.join(folder, "out"),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(line, child, ended), daemon=True)
    watcher.start()
    pumps = [
        threading.Thread(target=pump, args=(line, kind, stream), daemon=True)
        for kind, stream in ((b"O", child.stdout), (b"E", child.stderr))
    ]
    try:
        for one in pumps:
            one.start()
        code = child.wait()
    finally:
        end_group(child)
    ended.set()
    for one in pumps:
        one.join()
    return code


def pump(line: Line, kind: bytes, stream: Any) -> None:
    """Hand on what is printed; what nobody takes is thrown away, so that the command does not stand still."""
    while True:
        content = os.read(stream.fileno(), PIECE)
        if not content:
            return
        try:
            line.send(kind, content)
        except OSError:
            continue


def watch(line: Line, child: Any, ended: Any) -> None:
    """End the command when nothing is heard any more."""
    try:
        while True:
            line.receive()
    except (Gone, OSError):
        if not ended.is_set():
            end_group(child)


def end_group(child: Any) -> None:
    """End a command and what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except OSError:
            return
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            continue


def send_results(line: Line, folder: str, fetch: dict[str, str]) -> None:
    """Send every file that the command left where it ran, and those elsewhere in the folder that are asked for."""
    out = os.path.join(folder, "out")
    wanted = {name: os.path.join(out, name) for name in sorted(os.listdir(out))}
    wanted.update({name: os.path.join(folder, path) for name, path in fetch.items()})
    with tarfile.open(fileobj=Sending(line), mode="w|") as archive:
        for name, path in wanted.items():
            if os.path.isfile(path):
                archive.add(path, name)
    line.send(b"R", b"")


if __name__ == "__main__":
    main()
