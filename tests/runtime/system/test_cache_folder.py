"""The cache folder: where it is, and that nobody else can put code into it."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from pathlib import Path

import pytest

from edgeseg.errors import EnvironmentFault
from edgeseg.files import cache_folder as module
from edgeseg.files.cache_folder import cache_folder, private_folder, read_private, write_private

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_where_the_desktop_standard_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "edgeseg"
    assert cache_folder("openvino") == tmp_path / "edgeseg" / "openvino"


@pytest.mark.parametrize("given", ["", "cache", "./cache"])
def test_it_is_never_in_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "edgeseg"


def test_a_link_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(EnvironmentFault, match="is a link"):
        private_folder(tmp_path / "link")


def test_a_folder_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    me = tmp_path.stat().st_uid
    monkeypatch.setattr(module.os, "getuid", lambda: me + 1)
    with pytest.raises(EnvironmentFault, match="belongs to another user"):
        private_folder(tmp_path)


def test_an_open_folder_is_closed_and_files_are_for_one_user(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    private_folder(folder)
    write_private(folder / "model", b"code")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "model")] == [0o700, 0o600]
    assert [path.name for path in folder.iterdir()] == ["model"]


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A folder as safe as any: what is above a cache in the tests below."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def test_folders_above_it_that_are_made_are_private_too(system: Path) -> None:
    private_folder(system / "cache" / "edgeseg" / "openvino")
    assert {stat.S_IMODE(path.stat().st_mode) for path in system.rglob("*")} == {0o700}


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o702])
def test_a_parent_that_all_may_write_in_is_refused(system: Path, mode: int) -> None:
    """Who may rename our folder may put his own in its place between the look at it and the load."""
    private_folder(system / "open" / "edgeseg")
    (system / "open").chmod(mode)
    with pytest.raises(EnvironmentFault, match=r"Others may write in \S+open and .* XDG_CACHE_HOME"):
        private_folder(system / "open" / "edgeseg")
    (system / "open").chmod(mode | stat.S_ISVTX)
    private_folder(system / "open" / "edgeseg")  # as in /tmp: nobody may rename what is not his


def test_a_parent_that_a_group_may_write_in_is_refused_unless_it_is_ours_alone(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_folder(system / "group" / "edgeseg")
    (system / "group").chmod(0o770)
    own = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(module, "_is_root_group", lambda _: False)
    for name, members, is_safe in ((own, [], True), (own, [own], True), (own, ["eve"], False), ("staff", [], False)):
        entry = grp.struct_group((name, "x", 1234, members))
        monkeypatch.setattr(grp, "getgrgid", lambda _, entry=entry: entry)
        if is_safe:
            private_folder(system / "group" / "edgeseg")
        else:
            with pytest.raises(EnvironmentFault, match="Others may write in"):
                private_folder(system / "group" / "edgeseg")


def test_a_link_on_the_way_is_followed_to_where_it_leads(system: Path) -> None:
    (system / "disk").mkdir(mode=0o700)
    (system / ".cache").symlink_to(system / "disk")
    private_folder(system / ".cache" / "edgeseg")  # a cache moved to another disk by its owner
    (system / "disk").chmod(0o777)
    with pytest.raises(EnvironmentFault, match=r"Others may write in \S+disk"):
        private_folder(system / ".cache" / "edgeseg")


def test_a_file_in_the_place_of_the_folder_is_said(system: Path) -> None:
    (system / "cache").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="no folder"):
        private_folder(system / "cache")


def test_what_lies_in_a_folder_that_stood_open_is_read_only_if_it_is_ours(system: Path) -> None:
    write_private(system / "model", b"code")
    assert read_private(system / "model") == b"code"
    for mode in (0o620, 0o602):
        (system / "model").chmod(mode)
        with pytest.raises(PermissionError, match="somebody else could have written it"):
            read_private(system / "model")
    (system / "model").chmod(0o600)
    (system / "link").symlink_to(system / "model")
    with pytest.raises(OSError, match="symbolic"):
        read_private(system / "link")


root = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file to another user")


@root
def test_a_file_of_another_user_is_not_read(system: Path) -> None:
    """Planted while the folder stood open; its digest is right, because who planted it wrote that too."""
    (system / "model").write_bytes(b"their code")
    (system / "model").chmod(0o600)
    os.chown(system / "model", 12345, 12345)
    with pytest.raises(PermissionError, match="somebody else could have written it"):
        read_private(system / "model")


@root
@pytest.mark.parametrize("which", ["cache", "cache/edgeseg"])
def test_a_folder_of_another_user_is_refused_and_so_is_one_above(system: Path, which: str) -> None:
    (system / "cache" / "edgeseg").mkdir(parents=True, mode=0o700)
    os.chown(system / which, 12345, 12345)
    with pytest.raises(EnvironmentFault, match=r"Others may write in \S+cache|belongs to another user"):
        private_folder(system / "cache" / "edgeseg")


@root
def test_a_link_of_another_user_is_refused(system: Path) -> None:
    """In a folder such as /tmp anybody may make one, and lead it elsewhere tomorrow."""
    (system / "mine").mkdir(mode=0o700)
    (system / "tmp").mkdir()
    (system / "tmp").chmod(0o1777)
    (system / "tmp" / "link").symlink_to(system / "mine")
    os.lchown(system / "tmp" / "link", 12345, 12345)
    with pytest.raises(EnvironmentFault, match=r"Others may write in \S+link"):
        private_folder(system / "tmp" / "link" / "edgeseg")
    (system / ".cache").symlink_to(system / "tmp" / "link")
    with pytest.raises(EnvironmentFault, match=r"Others may write in \S+link"):
        private_folder(system / ".cache" / "edgeseg")  # a link of ours that leads through theirs


def test_there_is_one_home_for_this() -> None:
    """Whoever asks who owns a file of the cache, or how it is open, asks here."""
    found = {
        path.relative_to(ROOT).as_posix()
        for top in ("edgeseg", "runtime", "export", "calibration")
        for path in (ROOT / top).rglob("*.py")
        if re.search(r"st_uid|S_IWOTH|S_IWGRP|0o022|0o077", path.read_text(encoding="utf-8"))
    }
    leftovers = "edgeseg/files/unfinished.py"  # whether a dead run's leftover is this user's to remove
    assert found == {"edgeseg/files/cache_folder.py", leftovers}
