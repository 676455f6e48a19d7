"""The wheel of this tree, and environments that hold it.

An environment is a virtual one without pip. What it may import beside edgeseg is chosen distribution by distribution
and linked from the environment of the tests, so that it needs no index, no downloads and a second. That an index has
the rest is pip's affair; what is tested is what edgeseg does when exactly these are there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from shared_folder import FillOnce

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ("edgeseg", "export", "runtime", "calibration", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(command: list[str | Path], **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_house(folder: Path) -> Path:
    """Copy what the wheel is built from, so that neither build/ nor egg-info of the checkout takes part."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in HOUSE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def wheel(fill_once: FillOnce) -> Path:
    def fill(copy: Path) -> None:
        copy_house(copy)
        run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", copy / "dist", copy], cwd=copy)

    (found,) = (fill_once("house", fill) / "dist").glob("*.whl")
    return found


def make_environment(folder: Path) -> Path:
    run([sys.executable, "-m", "venv", "--without-pip", folder])
    return folder


def install(environment: Path, *words: str | Path, **options: Any) -> None:
    """Install edgeseg alone, as pip does it, from wherever ``words`` say."""
    python = environment / "bin" / "python"
    flags = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    run([*PIP, "--python", python, "install", *flags, *words], **options)


def packages_of(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def borrow_all(environment: Path) -> None:
    """Let an environment see every distribution of this one but edgeseg.

    A folder named in a .pth file has its own .pth files left alone, so the editable install of this environment
    stays out of sight.
    """
    folders = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    (packages_of(environment) / "borrowed.pth").write_text("\n".join(folders) + "\n")


def link(environment: Path, names: set[str]) -> None:
    """Link the files of installed distributions into an environment."""
    target = packages_of(environment)
    for name in names:
        found = metadata.distribution(name)
        root = Path(str(found.locate_file(""))).resolve()
        for entry in _entries(root, found):
            if not (target / entry).exists():
                (target / entry).parent.mkdir(exist_ok=True)
                (target / entry).symlink_to(root / entry)


def _entries(root: Path, found: metadata.Distribution) -> set[Path]:
    """Files and folders to link; a folder without ``__init__.py`` may be shared, so its content is linked instead."""
    entries = set()
    for file in found.files or ():
        top = file.parts[0]
        if top not in ("..", "__pycache__") and len(file.parts) > 1 and not (root / top / "__init__.py").exists():
            entries.add(Path(top, file.parts[1]))
        elif top not in ("..", "__pycache__"):
            entries.add(Path(top))
    return entries


def closure(extra: str) -> set[str]:
    """Names of all distributions that edgeseg needs with this extra (empty: with none)."""
    found: set[str] = set()
    waiting = [("edgeseg", frozenset({extra} if extra else ()))]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in metadata.requires(name) or ():
            wanted = Requirement(text)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": e}) for e in extras or ("",)):
                waiting.append((_canonical(wanted.name), frozenset(wanted.extras)))
                found.add(_canonical(wanted.name))
    return found - {"edgeseg"}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
