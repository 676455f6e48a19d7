"""The wheel holds every room, installs under one name, and its command answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from house import package_folders, read_pyproject
from installed_fixtures import ROOT, borrow_all, install, make_environment, run

import edgeseg


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, and the dependencies of this one behind it."""
    folder = make_environment(tmp_path_factory.mktemp("clean") / "venv")
    install(folder, wheel)
    borrow_all(folder)
    return folder


def test_every_listed_package_exists_and_every_package_folder_is_listed() -> None:
    listed = package_folders()
    assert all((folder / "__init__.py").is_file() for folder in listed.values()), listed
    tops = {ROOT / folder for folder in read_pyproject()["tool"]["setuptools"]["package-dir"].values()}
    found = {path.parent for top in tops for path in top.glob("**/__init__.py")}
    assert found == set(listed.values())


def test_the_wheel_holds_every_module_and_asset(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"{name.replace('.', '/')}/{path.name}"
        for name, folder in package_folders().items()
        for path in folder.iterdir()
        if path.suffix in (".py", ".pt", ".md", ".html", ".css") or path.name == "py.typed"
    }
    assert wanted <= held, sorted(wanted - held)
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_nothing_but_edgeseg_lands_in_site_packages(clean: Path) -> None:
    (packages,) = clean.glob("lib/python*/site-packages")
    names = {path.name for path in packages.iterdir()} - {"borrowed.pth"}
    assert names == {"edgeseg", f"edgeseg-{edgeseg.__version__}.dist-info"}


def test_every_module_imports_from_the_installed_wheel(clean: Path, tmp_path: Path) -> None:
    modules = [
        name if path.stem == "__init__" else f"{name}.{path.stem}"
        for name, folder in package_folders().items()
        for path in sorted(folder.glob("*.py"))
        if path.stem != "__main__"
    ]
    code = (
        "import importlib, sys, edgeseg; assert edgeseg.__file__.startswith(sys.prefix), edgeseg.__file__\n"
        f"for name in {modules!r}: importlib.import_module(name)"
    )
    run([clean / "bin" / "python", "-W", "ignore", "-c", code], cwd=tmp_path)


def test_the_console_script_answers(clean: Path, tmp_path: Path) -> None:
    script = clean / "bin" / "edgeseg"
    assert run([script, "--version"], cwd=tmp_path).strip() == f"edgeseg {edgeseg.__version__}"
    assert "train" in run([script, "--help"], cwd=tmp_path)


@pytest.mark.parametrize(
    ("version", "needle"), [((3, 9), "needs Python 3.10 to 3.13"), ((2, 7), "needs Python 3.10 to 3.13"), ((3, 12), "")]
)
def test_make_says_when_python_is_too_old(version: tuple[int, int], needle: str) -> None:
    code = f"import sys; sys.version_info = {version}; sys.argv = ['x']; exec(open('scripts/check_python.py').read())"
    quiet = {**os.environ, "PIP_INDEX_URL": "chosen"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=quiet, check=False
    )
    assert needle in done.stderr
    assert done.returncode == (3 if needle else 0)


def test_make_says_when_venv_is_missing(tmp_path: Path) -> None:
    """As on a Debian without python3-venv."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError('No module named ensurepip')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = ["make", "demo", f"PYTHON={sys.executable}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    assert done.returncode == 2
    assert "apt install python3-venv" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_make_says_when_there_is_no_python(tmp_path: Path) -> None:
    command = ["make", "demo", "PYTHON=python-of-nowhere", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "There is no 'python-of-nowhere' here. Install Python 3.10 to 3.13" in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian: apt install systemd)")
def test_the_unit_says_nothing_that_systemd_does_not_know(tmp_path: Path) -> None:
    unit = (ROOT / "packaging" / "edgeseg.service").read_text(encoding="utf-8")
    (tmp_path / "edgeseg.service").write_text(unit.replace("/opt/edgeseg/bin/edgeseg", sys.executable))
    told = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "edgeseg.service")], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
