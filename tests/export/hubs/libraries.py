"""An environment with the libraries of ready-made networks, as their users have it beside edgeseg.

It borrows what the tests have, torch among it, and is given the wheel of this tree and the libraries themselves. The
index's torchvision for this torch is one for CUDA: its compiled operators do not load beside a torch without CUDA, and
``import torchvision`` ends with "operator torchvision::nms does not exist". No network for segmentation has one of
them. So that the rest of torchvision can be imported, their names are made known before.
"""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from installed_fixtures import PIP, borrow_all, install, make_environment, packages_of
from packaging.version import Version

TESTS = Path(__file__).resolve().parents[2]
LIBRARIES = (
    "timm==1.0.31",
    "segmentation-models-pytorch==0.6.0",
    "transformers==5.24.0",
    "tokenizers==0.23.3",
    "regex==2026.11.19",
    "typer==0.29.2",
)
TIMEOUT_S = 800
NMS = """
import importlib.abc
import sys

KEPT = []


class BeforeTorchvision(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision" and not KEPT:
            KEPT.append(self)
            import torch

            KEPT.append(torch.library.Library("torchvision", "DEF"))
            for operator in ("nms", "qnms"):
                KEPT[1].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


sys.meta_path.insert(0, BeforeTorchvision())
"""


def fill_environment(folder: Path, wheel: Path) -> None:
    """Make the environment; ``said`` holds why not, where pip cannot."""
    environment = make_environment(folder / "venv")
    borrow_all(environment)
    install(environment, wheel)
    torch = Version(version("torch"))
    wanted = [*LIBRARIES, f"torchvision==0.{torch.minor + 15}.*"]
    words = ["--python", str(environment / "bin" / "python"), "install", "--quiet", "--no-deps", *wanted]
    done = subprocess.run([*PIP, *words], capture_output=True, text=True, check=False)
    (packages_of(environment) / "sitecustomize.py").write_text(NMS)
    (folder / "said").write_text("" if done.returncode == 0 else done.stderr.strip().splitlines()[-1])


def python_of(folder: Path) -> Path:
    """Return the Python of an environment, or skip with what pip said."""
    if said := (folder / "said").read_text():
        pytest.skip(f"pip cannot install the libraries here: {said}")
    return folder / "venv" / "bin" / "python"


def run_there(python: Path, *words: str | Path, cwd: Path) -> str:
    """Run Python there, with the scenes of the tests on its path and no way to a hub; return what it said."""
    folders = [TESTS / "export", TESTS / "export" / "hubs"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr
