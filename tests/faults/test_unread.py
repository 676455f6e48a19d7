"""Nobody who should read what edgeseg writes, and does not, stops its masks or its end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from linear_model import ArtifactMaker
from run_process import EDGESEG

CELLS = "test://cells?fps=25&size=320x240"
CHATTY = ("--status-every", "0.01", "--log-json")
"""A line with each mask: a pipe of one page is full after a second."""


@pytest.fixture(scope="module")
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe of one page that nobody reads and that is full."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 4095 + b"\n")
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def stopped_terminal() -> Iterator[tuple[int, int]]:
    """A terminal after Ctrl-S."""
    controller, terminal = pty.openpty()
    termios.tcflow(terminal, termios.TCOOFF)
    try:
        yield controller, terminal
    finally:
        os.close(controller)
        os.close(terminal)


UNREAD = pytest.mark.parametrize("unread", [full_pipe, stopped_terminal], ids=["pipe", "terminal"])


@contextlib.contextmanager
def running(*words: object, **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    """``edgeseg ...``, killed with its children at the end."""
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
    process = subprocess.Popen([*EDGESEG, *map(str, words)], start_new_session=True, **given)
    try:
        yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.kill()
        process.wait()


def wait_until(found: Callable[[], object], timeout_s: float = 40) -> None:
    due_s = time.monotonic() + timeout_s
    while not found():
        assert time.monotonic() < due_s, "it did not come"
        time.sleep(0.05)


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def seconds_to_end(process: subprocess.Popen[bytes], number: signal.Signals) -> float:
    start = time.monotonic()
    process.send_signal(number)
    process.wait(30)
    return time.monotonic() - start


@pytest.mark.parametrize(
    ("unread", "number", "supervision"),
    [
        (full_pipe, signal.SIGTERM, ()),
        (stopped_terminal, signal.SIGINT, ()),
        (full_pipe, signal.SIGINT, ("--no-supervise",)),
        (stopped_terminal, signal.SIGTERM, ("--no-supervise",)),
    ],
)
def test_a_log_that_nobody_reads_stops_neither_masks_nor_end(
    artifact: Path, tmp_path: Path, unread: Callable, number: signal.Signals, supervision: Sequence[str]
) -> None:
    lines = tmp_path / "o.jsonl"
    words = ("run", artifact, "--source", CELLS, *CHATTY, *supervision, "--jsonl", lines)
    with unread() as (_, fd), running(*words, stderr=fd) as process:
        wait_until(lambda: count_lines(lines) > 60)
        assert seconds_to_end(process, number) < 3
        assert process.returncode == 0


@UNREAD
def test_a_log_and_a_summary_that_nobody_reads_do_not_keep_a_file_from_its_end(
    artifact: Path, long_clip: Path, tmp_path: Path, unread: Callable
) -> None:
    """On a terminal with its progress bar, too."""
    with unread() as (_, fd):
        words = ("run", artifact, "--source", long_clip, "--save-masks", tmp_path / "masks", "--json")
        with running(*words, stderr=fd, stdout=fd) as process:
            wait_until(lambda: len(list(tmp_path.glob("masks/*"))) > 3)
            assert seconds_to_end(process, signal.SIGTERM) < 3
            assert process.returncode == 0


@pytest.mark.parametrize(
    ("unread", "number", "source"),
    [
        (full_pipe, signal.SIGTERM, "a clip"),
        (stopped_terminal, signal.SIGINT, "a clip"),
        (full_pipe, signal.SIGINT, CELLS + "&frames=10"),
        (stopped_terminal, signal.SIGTERM, CELLS + "&frames=10"),
    ],
)
def test_a_run_that_is_done_and_cannot_print_its_summary_hears_a_signal(
    artifact: Path, clip: Path, tmp_path: Path, unread: Callable, number: signal.Signals, source: str
) -> None:
    lines = tmp_path / "o.jsonl"
    with full_pipe() as (_, log), unread() as (_, fd):
        words = ("run", artifact, "--source", clip if source == "a clip" else source, "--json", "--jsonl", lines)
        with running(*words, stderr=log, stdout=fd) as process:
            wait_until(lambda: count_lines(lines) >= (40 if source == "a clip" else 9))
            time.sleep(1)
            assert process.poll() is None  # the reader may come back
            assert seconds_to_end(process, number) < 3
            assert process.returncode == 0


@pytest.mark.parametrize("supervision", [(), ("--no-supervise",)], ids=["supervised", "alone"])
def test_a_camera_outlives_the_reader_of_its_log(artifact: Path, tmp_path: Path, supervision: Sequence[str]) -> None:
    lines = tmp_path / "o.jsonl"
    reader, writer = os.pipe()
    words = ("run", artifact, "--source", CELLS, *CHATTY, *supervision, "--jsonl", lines)
    with running(*words, stderr=writer) as process:
        os.close(writer)
        wait_until(lambda: count_lines(lines) > 10)
        os.close(reader)
        before = count_lines(lines)
        wait_until(lambda: count_lines(lines) > before + 50)
        assert process.poll() is None
        assert seconds_to_end(process, signal.SIGTERM) < 3
        assert process.returncode == 0


def test_a_crash_of_the_worker_takes_none_of_its_words_along(artifact: Path, tmp_path: Path) -> None:
    """What it, or a library of it, printed last is the only trace of the cause."""
    faulty = Path(__file__).with_name("faulty_engine.py")
    words = ("abort", "10", "1", tmp_path / "ledger", "run", artifact, "--source", CELLS)
    found = subprocess.run(
        [sys.executable, str(faulty), *map(str, words), "--restarts", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert found.returncode == 3
    assert b"last words of a library" in found.stderr
    assert b"SIGABRT" in found.stderr


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&-", "<&- >&- 2>&-"])
class TestClosedStreams:
    def test_images_are_masked(self, artifact: Path, image: Path, tmp_path: Path, closed: str) -> None:
        done = self.shell(f"run {artifact} --source {image} --save-masks {tmp_path}/masks --jsonl {tmp_path}/o", closed)
        assert done.returncode == 0
        assert len(list(tmp_path.glob("masks/*"))) == 1
        line = json.loads((tmp_path / "o").read_text())
        assert line["source"].endswith(image.name)

    def test_a_camera_runs_to_its_end(self, artifact: Path, tmp_path: Path, closed: str) -> None:
        source = "test://cells?fps=25&size=64x48&frames=20"
        done = self.shell(f"run {artifact} --source '{source}' --status-every 0.01 --jsonl {tmp_path}/o", closed)
        assert done.returncode == 0
        assert all(json.loads(line)["index"] >= 0 for line in (tmp_path / "o").read_text().splitlines())

    def shell(self, words: str, closed: str) -> subprocess.CompletedProcess[bytes]:
        command = f"{sys.executable} -m edgeseg {words} {closed}"
        return subprocess.run(["sh", "-c", command], timeout=60, check=False, capture_output=True)


@pytest.mark.parametrize("verb", ["inspect", "doctor", "check", "bench"])
def test_any_verb_works_with_all_streams_closed(artifact: Path, verb: str) -> None:
    words = {"bench": f"{artifact} --seconds 0.2", "doctor": ""}.get(verb, str(artifact))
    command = f"{sys.executable} -m edgeseg {verb} {words} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode in (0, 1)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    import cv2
    import numpy as np

    path = tmp_path / "one.png"
    cv2.imwrite(str(path), np.full((48, 64, 3), 100, np.uint8))
    return path


class TestFullDevice:
    """``/dev/full`` stands for a disk without room."""

    def test_a_summary_that_cannot_be_written_is_one_sentence(self, artifact: Path, image: Path) -> None:
        for words in (("run", artifact, "--source", image), ("inspect", artifact), ("doctor",)):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [*EDGESEG, *map(str, words)], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
                )
            said = done.stderr.decode()
            assert done.returncode == 2, said
            assert "Standard output cannot be written: No space left on device." in said
            assert "Traceback" not in said

    def test_a_log_that_cannot_be_written_changes_nothing(self, artifact: Path, image: Path) -> None:
        with open("/dev/full", "wb") as full:
            words = [*EDGESEG, "run", str(artifact), "--source", str(image.parent / "*.png"), "--log-json"]
            done = subprocess.run(words, stderr=full, stdout=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode == 0
        assert b"1 frames" in done.stdout


def test_a_complaint_that_nobody_reads_does_not_keep_a_mistake_from_its_exit_code(artifact: Path) -> None:
    with stopped_terminal() as (_, fd), running("run", artifact, "--source", "/no/such", stderr=fd) as process:
        assert process.wait(30) == 2
