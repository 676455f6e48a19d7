"""Capture processes that do not do as they should: the camera is told, tried again, and nothing stays behind."""

from __future__ import annotations

import errno
import json
import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from edgeseg.runtime.cameras import capture_process
from edgeseg.runtime.cameras.address import parse_address
from edgeseg.runtime.cameras.capture_process import CaptureProcess, Limits
from edgeseg.runtime.cameras.live_source import StreamSource
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.system import line_child

WAIT_S = 60
ADDRESS = parse_address("rtsp://user:hunter22@127.0.0.1:9/live", "front")
COUNTS = {"received": 1, "dropped": 0, "stale": 0, "damaged": 0, "packets": 1}
Impostor = Callable[[str], None]


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Impostor:
    """Start this code in place of the capture process; ``say(text)`` sends a line to the parent."""

    def use(code: str) -> None:
        head = "import os, sys, time\ndef say(text):\n    os.write(int(sys.argv[-1]), text.encode() + b'\\n')\n"
        script = tmp_path / "impostor"
        script.write_text(f"#!{sys.executable}\n{head}{textwrap.dedent(code)}\n")
        script.chmod(0o755)
        monkeypatch.setattr(capture_process.sys, "executable", str(script))

    return use


class Watched:
    """A camera and its events."""

    def __init__(self, limits: Limits = Limits(timeout_s=3), address: object = ADDRESS) -> None:  # noqa: B008
        self.events: list[Event] = []
        self.source = StreamSource([address], limits, self.events.append, longest_wait_s=0.5)  # type: ignore[list-item]

    def event(self, kind: str) -> Event:
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            if found := next((event for event in self.events if event.kind == kind), None):
                return found
            time.sleep(0.02)
        raise AssertionError(f"no event {kind!r}: {self.events}")


def picture(**facts: object) -> str:
    """The code that says a picture is there."""
    whole = {"slot": 0, "height": 4, "width": 4, "captured_s": 1.0, "presented_s": None, **facts}
    return f"say({json.dumps({'kind': 'picture', **whole, **COUNTS})!r})"


NONSENSE = {
    "no json": "say('hello')",
    "no object": "say('[1, 2]')",
    "no counts": """say('{"kind": "ready"}')""",
    "no slot": picture(slot=None),
    "a slot that is not there": picture(slot=99),
    "a picture beyond the memory": picture(slot=3, height=99_999_999),
    "words for numbers": picture(width="4"),
    "a line without end": "os.write(int(sys.argv[-1]), b'x' * 10000)",
    "bytes": r"os.write(int(sys.argv[-1]), b'\xff\xfe\x00\n')",
}


@pytest.mark.parametrize("what", NONSENSE)
def test_a_process_that_sends_nonsense_is_ended_and_replaced(what: str, impostor: Impostor) -> None:
    impostor(f"{NONSENSE[what]}\ntime.sleep(100)")
    before = psutil.Process().children()
    watched = Watched()
    with watched.source as source:
        lost = watched.event("lost")
        watched.event("reconnecting")
        assert source.cameras[0].is_alive()
    assert (lost.reason, lost.message.endswith("is killed.")) == ("broken", True)
    assert psutil.Process().children() == before


def test_a_process_that_does_not_start_is_given_up_in_time(impostor: Impostor) -> None:
    impostor("time.sleep(100)")
    watched = Watched(Limits(start_timeout_s=1))
    with watched.source:
        lost = watched.event("lost")
    assert (lost.reason, "did not start within 1 s" in lost.message) == ("hung", True)


def test_the_last_words_of_a_process_are_told_without_the_password(impostor: Impostor) -> None:
    impostor(f"sys.exit('cannot open {ADDRESS.target} (hunter22)')")
    watched = Watched()
    with watched.source:
        lost = watched.event("lost")
    assert lost.reason == "killed"
    assert "ended (exit code 1: cannot open" in lost.message
    assert "hunter22" not in "".join(map(repr, watched.events))


def test_a_process_that_closes_its_pipe_and_lives_on_is_ended(impostor: Impostor) -> None:
    impostor("print(os.getpid())\nos.close(int(sys.argv[-1]))\ntime.sleep(100)")
    before = psutil.Process().children()
    watched = Watched()
    with watched.source:
        watched.event("reconnecting")
    assert psutil.Process().children() == before


def test_no_room_for_a_process_is_waited_out_and_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = line_child.subprocess.Popen, threading.Semaphore(0)

    def full(*_: object, **__: object) -> object:
        tries.release()
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(line_child.subprocess, "Popen", full)
    watched = Watched(address=parse_address("test://cells?size=96x64&fps=10"))
    before = psutil.Process().num_fds()
    with watched.source as source:
        for _ in range(4):
            assert tries.acquire(timeout=WAIT_S)
        lost = watched.event("lost")
        assert psutil.Process().num_fds() <= before + 5  # of an attempt of this moment
        monkeypatch.setattr(line_child.subprocess, "Popen", real)
        assert next(iter(source)).image.shape == (64, 96, 3)
    assert lost.reason == "no process"
    assert psutil.Process().num_fds() == before


def test_closing_twice_says_the_same_and_touches_no_other_descriptor() -> None:
    process = CaptureProcess(parse_address("test://cells"), Limits())
    first = process.close()
    others = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]
    assert process.close() == first
    for fd in others:
        os.close(fd)
    assert not psutil.pid_exists(process.pid)


def test_the_command_line_of_a_process_holds_no_address() -> None:
    process = CaptureProcess(ADDRESS, Limits())
    try:
        words = psutil.Process(process.pid).cmdline()
        environment = psutil.Process(process.pid).environ()
    finally:
        process.close()
    assert "hunter22" not in " ".join([*words, *environment.values()])


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read through /proc")
def test_a_process_has_limits_and_leaves_no_core_files() -> None:
    process = CaptureProcess(parse_address("test://cells"), Limits(memory_bytes=3 << 30))
    try:
        while not any(news["kind"] == "ready" for news in process.news(WAIT_S) or []):
            pass
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    finally:
        process.close()
    rows = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert (rows["Max address space"], rows["Max core file size"]) == (str(3 << 30), "0")
