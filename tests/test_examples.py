"""The examples in docstrings do what they show; those of the public functions are in tests/api."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
from house import package_folders

PLACED = ("edgeseg.api", "edgeseg.polygon", "edgeseg.ci.asserts")
"""Their examples need files beside them, and have a test of their own."""


def find_modules() -> list[str]:
    """Every module whose text holds an example."""
    return [
        f"{package}.{path.stem}"
        for package, folder in package_folders().items()
        for path in sorted(folder.glob("*.py"))
        if f"{package}.{path.stem}".startswith("edgeseg.")
        and not f"{package}.{path.stem}".startswith(PLACED)
        and ">>>" in path.read_text(encoding="utf-8")
    ]


MODULES = find_modules()


@pytest.mark.parametrize("name", MODULES)
def test_an_example_shows_what_comes_of_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)):
        runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).attempted > 0
    assert not said, "".join(said)


def test_the_proof_shows_how_it_is_called() -> None:
    shown = {name.rpartition(".")[2] for name in MODULES if name.startswith("edgeseg.proof.")}
    assert {"budget", "compare", "gates", "ladder", "samples", "search_record", "speed", "worst_images"} <= shown
