"""Folders that are slow to fill, filled once: by whichever process of a test run comes first, for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

FillOnce = Callable[[str, Callable[[Path], object]], Path]


def _base(factory: pytest.TempPathFactory) -> Path:
    """Where all processes of this run look: what ``scripts/run_tests.py`` names, else the parent of xdist's workers."""
    if named := os.environ.get("EDGESEG_TESTS_SHARED"):
        return Path(named)
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def fill_once(tmp_path_factory: pytest.TempPathFactory) -> FillOnce:
    """Fill a folder by its name: ``fill_once("nets/unet", fill)`` calls ``fill(folder)`` unless that was done.

    What is in it is read by every test and written by none. A fill that fails is tried again by who comes next.
    """
    base = _base(tmp_path_factory)

    def get(name: str, fill: Callable[[Path], object]) -> Path:
        folder = base / "shared" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            done = folder.with_name(f"{folder.name}.done")
            if not done.exists():
                folder.mkdir(exist_ok=True)
                fill(folder)
                done.touch()
        return folder

    return get
