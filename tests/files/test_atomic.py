"""Files and folders appear whole or not at all, with one sentence when they cannot."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_directory, atomic_file, file_sha256, output_error

LIMITED = """
import resource, signal, sys
from pathlib import Path
from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_directory, atomic_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
target = Path(sys.argv[1])
try:
    if sys.argv[2] == "file":
        with atomic_file(target) as staged:
            staged.write_bytes(bytes(5000))
    else:
        with atomic_directory(target) as staged:
            (staged / "model.bin").write_bytes(bytes(5000))
except OutputError as error:
    print(error)
"""

FULL_DISK = """
import sys
from pathlib import Path
from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_file
target = Path(sys.argv[1]) / "model.bin"
try:
    with atomic_file(target) as staged:
        staged.write_bytes(bytes(1 << 20))
except OutputError as error:
    print(error)
print(sorted(p.name for p in target.parent.iterdir()))
"""

WRITE_LOCKED = """
import os, sys, tempfile
from pathlib import Path
from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_file
if os.geteuid() == 0:  # root may write anywhere
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    atomic_file(Path(sys.argv[1]) / "f").__enter__()
except OutputError as error:
    print(error)
"""

LONG_NAME = "n" * 400


def run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_digest_is_sha256(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(data)
    assert file_sha256(tmp_path / "f") == hashlib.sha256(data).hexdigest()


class TestAtomicFile:
    def test_nothing_shows_before_the_block_ends(self, tmp_path: Path) -> None:
        target = tmp_path / "deep/er/out.png"
        with atomic_file(target) as staged:
            staged.write_bytes(b"new")
            assert not target.exists()
            assert staged.suffix == ".png"
        assert target.read_bytes() == b"new"
        assert [p.name for p in target.parent.iterdir()] == ["out.png"]

    def test_a_failing_block_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        target = tmp_path / "out.txt"
        target.write_text("old")
        with pytest.raises(UnicodeEncodeError), atomic_file(target) as staged:
            staged.write_text("half \ud800", encoding="utf-8")
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    def test_permissions_follow_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            with atomic_file(tmp_path / "f") as staged:
                staged.write_bytes(b"x")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640

    def test_a_folder_that_is_a_file_cannot_be_written_to(self, tmp_path: Path) -> None:
        (tmp_path / "runs").write_text("a file")
        with pytest.raises(OutputError, match=r"Cannot write .*out\.png.*another output"):
            atomic_file(tmp_path / "runs/out.png").__enter__()

    def test_a_name_no_disk_takes(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="name too long"):
            atomic_file(tmp_path / LONG_NAME).__enter__()


class TestAtomicDirectory:
    def test_nothing_shows_before_the_block_ends(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        with atomic_directory(target) as staged:
            (staged / "model.xml").write_text("x")
            assert not target.exists()
        assert [p.name for p in target.iterdir()] == ["model.xml"]
        assert list(tmp_path.iterdir()) == [target]

    def test_an_old_directory_is_replaced_whole(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        for name in ("old", "new"):
            with atomic_directory(target) as staged:
                (staged / name).write_text("x")
        assert [p.name for p in target.iterdir()] == ["new"]
        assert list(tmp_path.iterdir()) == [target]

    def test_a_failing_block_leaves_the_old_directory(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        with atomic_directory(target) as staged:
            (staged / "old").write_text("x")
        with pytest.raises(UnicodeEncodeError), atomic_directory(target) as staged:
            (staged / "new").write_text("\ud800", encoding="utf-8")
        assert [p.name for p in target.iterdir()] == ["old"]
        assert list(tmp_path.iterdir()) == [target]

    def test_a_file_in_its_place_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / "model").write_text("precious")
        with pytest.raises(OutputError, match="is a file"):
            atomic_directory(tmp_path / "model").__enter__()
        assert (tmp_path / "model").read_text() == "precious"
        assert len(list(tmp_path.iterdir())) == 1


class TestNoRoom:
    @pytest.mark.parametrize("kind", ["file", "directory"])
    def test_a_write_cut_off_half_way_leaves_nothing(self, tmp_path: Path, kind: str) -> None:
        said = run(sys.executable, "-c", LIMITED, str(tmp_path / "out"), kind)
        assert said.startswith(f"Cannot write {tmp_path / 'out'}: File too large.")
        assert list(tmp_path.iterdir()) == []

    def test_a_full_disk_says_so_and_leaves_nothing(self, tmp_path: Path) -> None:
        script = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1"'
        command = ("unshare", "-rm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, FULL_DISK)
        if not can_mount(tmp_path):
            pytest.skip("no user namespaces here, so no small disk can be mounted")
        said = run(*command)
        assert said.startswith(f"The disk is full: {tmp_path}/model.bin was not written. Free some space")
        assert said.splitlines()[-1] == "[]"

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions work another way here")
    def test_a_folder_without_write_permission(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o555)
            assert f"No permission to write {name}/f. Choose another output folder." in run(
                sys.executable, "-c", WRITE_LOCKED, name
            )
            assert os.listdir(name) == []
            Path(name).chmod(0o755)

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            (errno.ENOSPC, "disk is full"),
            (errno.EDQUOT, "disk is full"),
            (errno.EROFS, "No permission"),
            (errno.EIO, "Input/output error"),
        ],
    )
    def test_each_fault_has_its_sentence(self, code: int, said: str) -> None:
        assert said in str(output_error(Path("out.mp4"), OSError(code, os.strerror(code))))


def can_mount(folder: Path) -> bool:
    script = 'mount -t tmpfs -o size=64k none "$1"'
    try:
        done = subprocess.run(
            ("unshare", "-rm", "sh", "-c", script, "sh", str(folder)), capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0
