"""Which packages made an artifact."""

from __future__ import annotations

import platform
from importlib import metadata

from edgeseg.version import __version__

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
