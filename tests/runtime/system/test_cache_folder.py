"""The cache folder: where it is, and that nobody else can put code into it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edgeseg.errors import EnvironmentFault
from edgeseg.runtime.system import cache_folder as module
from edgeseg.runtime.system.cache_folder import cache_folder, private_folder, write_private


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
