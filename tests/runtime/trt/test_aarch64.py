"""Every package that a Jetson needs has a wheel for its Python and its C library: asked of the package index.

On demand only, since it needs the index:  EDGESEG_ASK_INDEX=1 pytest tests/runtime/trt/test_aarch64.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
ASKED = bool(os.environ.get("EDGESEG_ASK_INDEX"))
OLDEST_GLIBC = 17


@dataclass(frozen=True)
class JetPack:
    """Its Python, the minor version of its GNU C library, and what CUDA asks of the bindings."""

    python: str
    glibc: int
    bindings: str


JETPACKS = {"6.2": JetPack("3.10", 35, "cuda-bindings>=12.6,<13"), "7.2": JetPack("3.12", 39, "cuda-bindings>=13")}


def base_dependencies() -> list[str]:
    """``dependencies`` of pyproject.toml (the tests also run on Python 3.10, which reads no TOML)."""
    block = re.search(r"^dependencies = \[(.*?)\]", PYPROJECT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert block is not None
    return re.findall(r'"([^"]+)"', block.group(1))


def wheels(requirements: list[str], jetpack: JetPack) -> dict[str, str]:
    """What pip would install there: version by package. Nothing is installed or kept."""
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(OLDEST_GLIBC, jetpack.glibc + 1)]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", "--ignore-installed"]
    command += ["--only-binary=:all:", "--no-cache-dir", "--target", "unused", "--implementation", "cp"]
    command += [
        "--python-version",
        jetpack.python,
        *(f"--platform={name}" for name in (*platforms, "manylinux2014_aarch64")),
    ]
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    return {one["metadata"]["name"]: one["metadata"]["version"] for one in json.loads(done.stdout)["install"]}


def test_the_dependencies_are_read() -> None:
    assert any(name.startswith("numpy") for name in base_dependencies())
    assert len(base_dependencies()) >= 4


@pytest.mark.slow
@pytest.mark.skipif(not ASKED, reason="asks the package index; set EDGESEG_ASK_INDEX=1")
@pytest.mark.parametrize("name", JETPACKS)
def test_every_base_dependency_and_the_cuda_bindings_have_a_wheel(name: str) -> None:
    needed = [*base_dependencies(), JETPACKS[name].bindings]
    found = wheels(needed, JETPACKS[name])
    print(f"JetPack {name}: {found}")
    assert {re.split(r"[<>=]", one)[0] for one in needed} <= {package.lower() for package in found}


@pytest.mark.slow
@pytest.mark.skipif(not ASKED, reason="asks the package index; set EDGESEG_ASK_INDEX=1")
def test_a_package_without_such_a_wheel_is_noticed() -> None:
    """Intel's OpenMP is built for x86-64 alone."""
    with pytest.raises(AssertionError, match="intel-openmp"):
        wheels(["intel-openmp"], JETPACKS["6.2"])
