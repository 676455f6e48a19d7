"""Temporaries of dead runs go at the next run, those of living ones stay; a folder that was moved aside comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeseg.files import unfinished
from edgeseg.files.atomic import atomic_directory, atomic_file
from edgeseg.files.unfinished import remove_leftovers, scratch_directory

HOLD = """
import sys
from pathlib import Path
from edgeseg.files.atomic import atomic_directory, atomic_file
from edgeseg.files.unfinished import scratch_directory
kind, target = sys.argv[1], Path(sys.argv[2])
make = {"file": atomic_file, "directory": atomic_directory, "scratch": lambda _: scratch_directory()}
with make[kind](target) as staged:
    print(staged, flush=True)
    sys.stdin.read()
"""
KILLED_IN_A_SWAP = """
import os, signal, sys
from pathlib import Path
from edgeseg.files.atomic import atomic_directory
renamed = Path.rename
def rename(path, to):
    result = renamed(path, to)
    os.kill(os.getpid(), signal.SIGKILL)
    return result
with atomic_directory(Path(sys.argv[1])) as staged:
    (staged / "new").touch()
    Path.rename = rename
"""
Hold = Callable[[str, Path], tuple[subprocess.Popen[str], Path]]


@pytest.fixture(autouse=True)
def _as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process looks at a folder once."""
    monkeypatch.setattr(unfinished, "_swept", set())


@pytest.fixture
def hold() -> Iterator[Hold]:
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, target: Path) -> tuple[subprocess.Popen[str], Path]:
        command = [sys.executable, "-c", HOLD, kind, str(target)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None
        return child, Path(child.stdout.readline().strip())

    yield start
    for child in started:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_leftover_of_a_killed_run_is_removed_at_the_next(kind: str, tmp_path: Path, hold: Hold) -> None:
    child, staged = hold(kind, tmp_path / "model.bin")
    child.kill()
    child.wait()
    assert staged.exists()
    with atomic_file(tmp_path / "other"):
        assert not staged.exists()


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_a_living_run_makes_stays(kind: str, tmp_path: Path, hold: Hold) -> None:
    _, staged = hold(kind, tmp_path / "model.bin")
    with atomic_directory(tmp_path / "model.bin") as other:
        assert staged.exists()
        assert staged != other
    assert staged.exists()


def test_scratch_of_a_killed_run_goes_too(tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    child, staged = hold("scratch", tmp_path)
    (staged / "model.bin").write_bytes(b"big")
    child.kill()
    child.wait()
    with scratch_directory() as mine:
        assert list(tmp_path.iterdir()) == [mine]


def test_a_folder_that_was_being_replaced_comes_back(tmp_path: Path) -> None:
    """Killed between the two renames, there is no folder of that name."""
    target = tmp_path / "model"
    with atomic_directory(target) as staged:
        (staged / "precious").touch()
    code = subprocess.run([sys.executable, "-c", KILLED_IN_A_SWAP, str(target)], check=False).returncode
    assert code == -signal.SIGKILL
    assert not target.exists()
    remove_leftovers(tmp_path)  # this process made something there before
    unfinished._swept.clear()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "precious"]


@pytest.mark.parametrize("name", [".bashrc", ".model.backup", "model.abcdefgh.unfinished", ".model.abc.unfinished"])
def test_files_of_a_user_are_no_leftovers(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert (tmp_path / name).exists()


def test_a_link_with_the_name_of_a_leftover_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (tmp_path / ".model.abcdefgh.unfinished").symlink_to(precious)
    remove_leftovers(tmp_path)
    assert (precious / "file").exists()
