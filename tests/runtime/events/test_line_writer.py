"""Real pipes that are read late, or never, or no more."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator

import pytest

from edgeseg.runtime.events import line_writer
from edgeseg.runtime.events.line_writer import LineWriter
from edgeseg.runtime.events.standard_streams import StandardError

LINE = b"a line of the log\n"


class Pipe:
    """A pipe of one page."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)

    def fill(self) -> None:
        os.write(self.writer, b"x" * 4095 + b"\n")

    def read_lines(self, until: bytes) -> list[bytes]:
        text = b""
        while until not in text or not text.endswith(b"\n"):
            text += os.read(self.reader, 1 << 16)
        return text.splitlines(keepends=True)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Its writing end stays open: a thread may still try it, and its number would be that of somebody else's file."""
    made = Pipe()
    yield made
    with contextlib.suppress(OSError):
        os.close(made.reader)


def test_a_line_is_there_when_put_returns(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writer)
    for _ in range(100):
        writer.put(LINE)
        assert os.read(pipe.reader, 100) == LINE


def test_who_speaks_waits_once_and_for_a_moment_when_nobody_reads(pipe: Pipe) -> None:
    pipe.fill()
    writer = LineWriter(pipe.writer)
    start = time.monotonic()
    for _ in range(10_000):
        writer.put(LINE)
    assert time.monotonic() - start < 1
    assert not writer.drain(0.05)
    pipe.read_lines(b"thrown away")  # lets its thread go


def test_a_reader_that_comes_back_is_told_what_it_missed_where_it_is_missing(pipe: Pipe) -> None:
    pipe.fill()
    writer = LineWriter(pipe.writer)
    for _ in range(1500):
        writer.put(LINE)
    lines = pipe.read_lines(b"thrown away")
    count = lines.count(LINE)
    assert lines[-1] == line_writer.sentence_of_loss(1500 - count).encode() + b"\n"
    assert 900 < count <= 1001
    writer.put(LINE)
    assert os.read(pipe.reader, 100) == LINE


def test_what_is_long_is_bounded_too(pipe: Pipe) -> None:
    pipe.fill()
    writer = LineWriter(pipe.writer)
    for _ in range(20):
        writer.put(b"y" * 100_000 + b"\n")
    assert len(b"".join(pipe.read_lines(b"thrown away"))) < 1_200_000


def test_a_reader_that_is_gone_hurts_nobody(pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.reader = os.open(os.devnull, os.O_RDONLY)  # for the fixture to close
    writer = LineWriter(pipe.writer)
    start = time.monotonic()
    for _ in range(2000):
        writer.put(LINE)
    assert not writer.drain(0.1)
    assert time.monotonic() - start < 1


def test_lines_of_many_threads_do_not_mix(pipe: Pipe) -> None:
    stream = StandardError(LineWriter(pipe.writer), pipe.writer)
    threads = [threading.Thread(target=lambda: [stream.write(f"{'z' * 50}\n") for _ in range(100)]) for _ in range(4)]
    got = b""
    for thread in threads:
        thread.start()
    while got.count(b"\n") < 400:
        got += os.read(pipe.reader, 1 << 16)
    for thread in threads:
        thread.join()
    assert set(got.splitlines()) == {b"z" * 50}


def test_what_has_no_end_of_line_yet_comes_with_a_flush(pipe: Pipe) -> None:
    stream = StandardError(LineWriter(pipe.writer), pipe.writer)
    stream.write("10 %\r")
    stream.flush()
    assert os.read(pipe.reader, 100) == b"10 %\r"
    assert not stream.isatty()


def test_a_child_made_by_fork_speaks_without_a_thread(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writer)
    if (pid := os.fork()) == 0:
        writer.put(LINE)
        writer.drain(1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(pipe.reader, 100) == LINE
