"""``edgeseg export`` at a terminal asks for what a network does not say; elsewhere it is refused as ever."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeseg.artifact import Artifact

pty = pytest.importorskip("pty", reason="a pseudo-terminal is POSIX's")
pytestmark = pytest.mark.long
WITHIN_S = 240
AT_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # the terminal becomes the one whose Ctrl-C this process hears
from edgeseg.cli import main
sys.exit(main())
"""


@dataclass
class Answer:
    code: int
    screen: str
    stdout: str


def export(folder: Path, typed: list[bytes], *words: object) -> Answer:
    """Export in a process at a pseudo-terminal, at which each question is given the next answer."""
    person, line = pty.openpty()
    command = [sys.executable, "-c", AT_TERMINAL, "export", *map(str, words)]
    out = folder / "stdout.txt"
    with out.open("wb") as stdout:
        process = subprocess.Popen(command, stdin=line, stdout=stdout, stderr=line, cwd=folder, start_new_session=True)
    os.close(line)
    screen, waiting = b"", list(typed)
    due_s = time.monotonic() + WITHIN_S
    try:
        while time.monotonic() < due_s and (process.poll() is None or select.select([person], [], [], 0)[0]):
            if select.select([person], [], [], 0.1)[0]:
                try:
                    screen += os.read(person, 4096)
                except OSError:  # the other side is closed
                    break
                if waiting and screen.endswith(b": "):
                    os.write(person, waiting.pop(0))
        return Answer(process.wait(max(1, due_s - time.monotonic())), screen.decode(), out.read_text())
    finally:
        process.kill()
        os.close(person)


@pytest.fixture
def foreign(tmp_path: Path, data_dir: Path) -> Path:
    """Logits of three classes, trained on RGB with ImageNet's mean and deviation; all axes but the channels dynamic."""
    shutil.copy(data_dir / "field/06-fp16/fp32.onnx", tmp_path / "net.onnx")
    return tmp_path


def test_answers_make_the_artifact_that_the_printed_line_makes(foreign: Path, data_dir: Path) -> None:
    three = data_dir / "field/three"
    words = ["net.onnx", "--format", "onnx", "--data", three]
    answer = export(foreign, [b"one,one\n", b"a,b\n", b"\n", b"\n"], *words, "--out", "asked")
    assert answer.code == 0, answer.screen
    assert "different names" in answer.screen
    assert "needs 2" in answer.screen  # two names for three channels: asked again
    assert "[other,sky,road]" in answer.screen  # as the data folder calls them
    first = answer.screen.partition("score so:")[2].splitlines()[1]
    assert first.strip().startswith("1  RGB, ImageNet's mean and deviation: mean IoU 8")
    assert "mIoU" in answer.stdout
    line = shlex.split(answer.screen.rpartition("without questions:")[2].strip().splitlines()[0])
    given = line[line.index("export") :]
    given[given.index("asked")] = "given"
    told = subprocess.run(
        [sys.executable, "-m", "edgeseg", *given],
        cwd=foreign,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    asked, repeated = (Artifact.open(foreign / name / "net-fp32-onnx") for name in ("asked", "given"))
    assert asked.spec == repeated.spec
    assert asked.spec.classes == ("other", "sky", "road")


def test_without_pictures_each_thing_is_asked_for(foreign: Path) -> None:
    typed = [b"a,b,c\n", b"2\n", b"5\n", b"2\n", b"103.5 116.3 123.7\n", b"57 57\n", b"57 57 0\n", b"58 57 57\n"]
    answer = export(foreign, typed, "net.onnx", "--format", "onnx", "--out", "out")
    assert answer.code == 0, answer.screen
    assert answer.screen.count("3 number(s)") >= 2
    spec = Artifact.open(foreign / "out/net-fp32-onnx").spec
    assert (spec.color_order, spec.classes) == ("bgr", ("a", "b", "c"))
    assert spec.mean == pytest.approx((103.5 / 255, 116.3 / 255, 123.7 / 255))
    assert spec.std == pytest.approx((58 / 255, 57 / 255, 57 / 255))


def test_what_was_said_is_not_asked_for(foreign: Path, data_dir: Path) -> None:
    words = ["net.onnx", "--classes", "other,sky,road", "--color-order", "rgb", "--format", "onnx"]
    answer = export(foreign, [b"\n"], *words, "--data", data_dir / "field/three")
    assert answer.code == 0, answer.screen
    assert "Names of its classes" not in answer.screen
    assert "BGR" not in answer.screen
    assert answer.screen.rpartition("without questions:")[2].count("--color-order") == 1


@pytest.mark.parametrize(("typed", "code", "said"), [(b"\x04", 2, "were not answered"), (b"\x03", 130, "interrupted")])
def test_ctrl_d_and_ctrl_c_end_it_and_nothing_is_made(foreign: Path, typed: bytes, code: int, said: str) -> None:
    answer = export(foreign, [typed], "net.onnx", "--format", "onnx")
    assert answer.code == code, answer.screen
    assert said in answer.screen
    assert "Traceback" not in answer.screen
    assert not (foreign / "artifacts").exists() or not list((foreign / "artifacts").iterdir())


def test_only_nonsense_ends_it(foreign: Path) -> None:
    answer = export(foreign, [b"x\n"] * 9, "net.onnx", "--format", "onnx")
    assert answer.code == 2
    assert "None of 5 answers could be taken" in answer.screen


def test_without_a_terminal_it_is_refused_and_with_json_too(foreign: Path) -> None:
    words = [sys.executable, "-m", "edgeseg", "export", "net.onnx"]
    told = subprocess.run(
        words, cwd=foreign, capture_output=True, text=True, timeout=WITHIN_S, stdin=subprocess.DEVNULL, check=False
    )
    assert told.returncode == 2
    assert "Still needed: --classes" in told.stderr
    answer = export(foreign, [b"a,b,c\n"], "net.onnx", "--json")
    assert answer.code == 2
    assert "Still needed: --classes" in " ".join(answer.screen.split())
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.stdout)
