"""A child that speaks lines of JSON, and one that does not."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from edgeseg.runtime.system import line_child
from edgeseg.runtime.system.child_python import code_command
from edgeseg.runtime.system.line_child import LineChild

WAIT_S = 30
SAY = "import json, os, sys, time\ndef say(data):\n    os.write(int(sys.argv[-1]), data)\n"
Start = Callable[[str], LineChild]


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[LineChild] = []

    def begin(code: str) -> LineChild:
        children.append(LineChild(code_command(SAY + code), "the job", subprocess.DEVNULL, longest_line=100))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.close()


def hear_all(child: LineChild) -> list[object]:
    found: list[object] = []
    while (said := child.hear(WAIT_S)) is not None:
        found += said
    return found


def test_it_is_given_its_job_and_heard_to_its_end(start: Start) -> None:
    child = start(
        "job = sys.stdin.readline()\nsay(json.dumps([job]).encode() + b'\\n{\"a\"')\nsay(b': 1}\\n')\nsys.exit(3)"
    )
    assert hear_all(child) == [["the job\n"], {"a": 1}]
    assert (child.wait(WAIT_S), child.exit_code) == (3, 3)


def test_silence_is_no_end(start: Start) -> None:
    child = start("time.sleep(100)")
    assert child.hear(0.05) == []
    assert child.wait(0.05) is None
    assert child.exit_code is None


@pytest.mark.parametrize("code", ["say(b'hello\\n')", "say(b'x' * 1000)", "say(b'\\xff\\xfe\\n')"])
def test_what_is_no_line_of_json_is_an_error(start: Start, code: str) -> None:
    child = start(f"{code}\ntime.sleep(100)")
    with pytest.raises(ValueError, match=r".+"):
        hear_all(child)


def test_children_of_it_end_with_it(start: Start) -> None:
    child = start(
        "import subprocess\nnap = subprocess.Popen(['sleep', '100'])\nsay(b'%d\\n' % nap.pid)\ntime.sleep(100)"
    )
    pid = next(iter(child.hear(WAIT_S) or []))
    child.kill()
    deadline_s = time.monotonic() + WAIT_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_what_cannot_be_given_shows_as_its_end(start: Start) -> None:
    child = start("sys.exit(0)")
    assert child.wait(WAIT_S) == 0
    child.give(b"more\n")
    child.close_input()
    child.give(b"more\n")
    assert child.hear(WAIT_S) is None


def test_no_room_for_a_process_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError("no room")

    before = psutil.Process().num_fds()
    monkeypatch.setattr(line_child.subprocess, "Popen", full)
    with pytest.raises(OSError, match="no room"):
        LineChild(["true"], "job", subprocess.DEVNULL)
    assert psutil.Process().num_fds() == before
