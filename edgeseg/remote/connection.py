"""One ssh process, with the agent at its other end."""

from __future__ import annotations

import contextlib
import os
import shlex
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from edgeseg.errors import EnvironmentFault
from edgeseg.remote import agent
from edgeseg.remote.address import Address
from edgeseg.remote.complaints import NO_CLIENT, OLD_PYTHON, describe_lost, describe_refusal, describe_start

COMMAND = "EDGESEG_SSH_COMMAND"
"""Variable with the words that start ssh, as git has it: ``ssh -i KEY -F CONFIG``."""
OPTIONS = {
    "BatchMode": "yes",  # no question of any kind: of a password, a passphrase, or an unknown host
    "ConnectTimeout": "15",
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",
    "PermitLocalCommand": "no",
}
START_S, BEAT_S, END_S = 60.0, 5.0, 15.0
MOST_CHATTER, MOST_SAID = 1 << 16, 1 << 14
MOST_FRAME = 1 << 24
_HEAD: struct.Struct = agent.HEAD


def ssh_words() -> list[str]:
    """List the words that start ssh here."""
    return shlex.split(os.environ.get(COMMAND, "")) or ["ssh"]


def start_line(python: str | None, length: int) -> str:
    """Word what the shell over there is asked for: Python, which reads the agent's source and becomes it.

    Args:
        python: the interpreter that is to be taken; None: ``python3``.
        length: of the source in bytes.
    """
    code = (
        "import sys,os;v=sys.version_info;"
        f"v<(3,7) and (sys.stderr.write('Python %d.%d'%v[:2]),sys.exit({OLD_PYTHON}));"
        f"s=b''.join(os.read(0,1) for _ in range({length}));"
        "exec(compile(s,'agent','exec'))"
    )
    if python is None:
        return f"python3 -c {shlex.quote(code)}"
    home = python.removeprefix("~/")
    word = f'"$HOME"/{shlex.quote(home)}' if python != home else shlex.quote(python)
    return f"{word} -c {shlex.quote(code)}"


class Connection:
    """Frames to and from an agent on another machine.

    Args:
        address: of that machine.
        python: the interpreter there; None: ``python3`` starts, and looks for one that has what is needed.

    Raises:
        EnvironmentFault: no ssh here, no way there, not let in, or no Python there.
    """

    def __init__(self, address: Address, python: str | None = None) -> None:
        self.address, self._python = address, python
        self._said: list[bytes] = []
        self._lock = threading.Lock()
        source = Path(agent.__file__).read_bytes()
        self._process = self._start(start_line(python, len(source)))
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._ended = threading.Event()
        try:
            with _limit(self._process, START_S):
                self._write(source)
                self._find_magic()
        except BaseException:
            self._process.kill()
            self.close()
            raise
        threading.Thread(target=self._beat, daemon=True).start()

    def _start(self, line: str) -> subprocess.Popen[bytes]:
        words = ssh_words()
        options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
        try:
            return subprocess.Popen(
                [*words, "-T", *options, *self.address.words, line],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for us: the agent is told, and ssh carries that
            )
        except OSError as error:
            raise EnvironmentFault(NO_CLIENT.format(program=f"{words[0]}: {error.strerror}")) from None

    def send(self, kind: bytes, content: bytes = b"") -> None:
        """Send one frame; nothing happens where nobody takes it, as what is received says why."""
        self._write(_HEAD.pack(kind, len(content)) + content)

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for one frame.

        Raises:
            EnvironmentFault: the connection was lost.
        """
        kind, length = _HEAD.unpack(self._read(_HEAD.size))
        if length > MOST_FRAME:
            raise EnvironmentFault(f"{self.address} sends what no agent of edgeseg sends. Is its shell a plain one?")
        return kind, self._read(length)

    def _read(self, length: int) -> bytes:
        parts = []
        while length:
            part = self._stream(self._process.stdout).read(length)
            if not part:
                self._wait()
                raise describe_lost(self.address, self._text())
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _write(self, data: bytes) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            view = memoryview(data)
            while view:
                view = view[self._stream(self._process.stdin).write(view) :]

    def _find_magic(self) -> None:
        """Read past what the shell over there prints of its own."""
        seen = b""
        while not seen.endswith(agent.MAGIC):
            part = self._stream(self._process.stdout).read(1)
            seen += part
            if not part or len(seen) > MOST_CHATTER:
                code = self._wait()
                if code == 255 or code < 0:
                    raise describe_refusal(self.address, self._text() or "it timed out")
                raise describe_start(self.address, code, self._text() or seen.decode("utf-8", "replace"), self._python)

    def _wait(self) -> int:
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._listener.join(END_S)
        return code

    def _listen(self) -> None:
        """Keep the end of what ssh says."""
        for line in self._stream(self._process.stderr):
            self._said.append(line)
            while sum(map(len, self._said)) > MOST_SAID:
                self._said.pop(0)

    def _text(self) -> str:
        return b"".join(self._said).decode("utf-8", "replace")

    def _beat(self) -> None:
        """Say that somebody is still here."""
        while not self._ended.wait(BEAT_S):
            self.send(b"B")

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream

    def close(self) -> None:
        """End the command over there, if it runs, and wait until its folder is gone and ssh has ended."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._stream(self._process.stdin).close()
        drain = threading.Thread(target=self._drain, daemon=True)
        drain.start()
        self._wait()
        drain.join(END_S)
        for stream in (self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                self._stream(stream).close()

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._stream(self._process.stdout).read(MOST_CHATTER):
                pass

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def _limit(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """End a process that takes longer."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
