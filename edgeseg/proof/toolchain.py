"""Which packages and which machine made an artifact."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from edgeseg import __version__

PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf", "numpy")


def toolchain() -> dict[str, str]:
    """Read versions by package; packages that are not installed are left out."""
    versions = {"edgeseg": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def cpu_name() -> str:
    """Read the model name of this machine's CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
