"""Make ``build/links/edgeseg``: the package as one folder of links, for tools that read files.

mypy and pyright do not follow setuptools' editable finder, which maps ``edgeseg.runtime`` to the
folder ``runtime/``. The links are made from ``package-dir`` in ``pyproject.toml``, anew each time.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
LINKS = ROOT / "build" / "links"


def package_dirs() -> dict[str, Path]:
    """Package name to its folder, as ``pyproject.toml`` has it."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        mapping = tomllib.load(stream)["tool"]["setuptools"]["package-dir"]
    return {name: ROOT / folder for name, folder in mapping.items()}


def make_links(target: Path = LINKS) -> Path:
    """Build the tree anew and return the folder to type-check."""
    shutil.rmtree(target, ignore_errors=True)
    rooms = package_dirs()
    core = target / "edgeseg"
    core.mkdir(parents=True)
    for entry in rooms.pop("edgeseg").iterdir():
        if entry.name != "__pycache__":
            (core / entry.name).symlink_to(entry)
    for name, folder in rooms.items():
        target.joinpath(*name.split(".")).symlink_to(folder)
    return core


if __name__ == "__main__":
    print(make_links().relative_to(ROOT))
