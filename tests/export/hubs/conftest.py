"""What the libraries' users do, done once a test run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from libraries import fill_environment, python_of, run_there
from shared_folder import FillOnce

OwnWords = Callable[[str], Path]


@pytest.fixture(scope="session")
def library_python(fill_once: FillOnce, wheel: Path) -> Path:
    """Return a Python that has edgeseg and the libraries."""
    return python_of(fill_once("libraries", lambda folder: fill_environment(folder, wheel)))


@pytest.fixture(scope="session")
def own_words(fill_once: FillOnce, library_python: Path) -> OwnWords:
    """Give the folder of what a library's user did, and what edgeseg said meanwhile."""
    script = Path(__file__).with_name("own_words.py")

    def fill(library: str, folder: Path) -> None:
        (folder / "said.txt").write_text(run_there(library_python, script, library, folder, cwd=folder))

    return lambda library: fill_once(f"own-{library}", lambda folder: fill(library, folder))
