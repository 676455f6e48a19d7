"""A lock is held by one, and ends with its process however that ends."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgeseg.files.atomic import atomic_directory, atomic_file
from edgeseg.files.lock import HAS_LOCKS, claim, find_unclaimed, held, hold_alone

pytestmark = pytest.mark.skipif(not HAS_LOCKS, reason="this system has no locks that end with a process")

HOLDER = """
import sys, time
from pathlib import Path
from edgeseg.files.lock import claim
claim(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_a_file_is_claimed_as_long_as_its_writer_lives(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        with find_unclaimed(path) as is_free:
            assert not is_free
        with pytest.raises(FileExistsError):
            claim(path)
        writer.kill()
    with find_unclaimed(path) as is_free:
        assert is_free
    with find_unclaimed(tmp_path / "nothing") as is_free:
        assert not is_free


def test_a_held_folder_is_nobody_elses(tmp_path: Path) -> None:
    with held(tmp_path) as mine:
        assert mine
        with held(tmp_path) as again:
            assert not again
    with held(tmp_path) as mine:
        assert mine


def test_who_comes_second_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def wait_for_it() -> None:
        with hold_alone(tmp_path / "lock"):
            order.append("second")

    with hold_alone(tmp_path / "lock"):
        second = threading.Thread(target=wait_for_it)
        second.start()
        second.join(0.2)
        order.append("first")
    second.join(30)
    assert order == ["first", "second"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_what_is_written_has_the_rights_that_the_user_wants(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_file(tmp_path / "file") as staged:
            staged.write_text("x")
        with atomic_file(tmp_path / "private", 0o600) as staged:
            staged.write_text("x")
        with atomic_directory(tmp_path / "folder") as staged:
            (staged / "file").write_text("x")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"file": 0o666 & ~umask, "private": 0o600, "folder": 0o777 & ~umask}
