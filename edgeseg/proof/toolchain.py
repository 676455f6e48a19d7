"""Which packages made an artifact."""

from __future__ import annotations

import platform
from importlib import metadata

from edgeseg.formats import BUILT_IN, ONNX, find_format
from edgeseg.version import __version__

PACKAGES = ("torch", "onnx", "onnxscript", "numpy", *(name for one in BUILT_IN.values() for name in one.packages))


def toolchain(model_format: str = ONNX.name) -> dict[str, str]:
    """Give versions by package; packages that are not installed are left out.

    Args:
        model_format: whose artifact it is; what another package's format names is added.

    >>> sorted(toolchain())[0]
    'edgeseg'
    """
    versions = {"edgeseg": __version__, "python": platform.python_version()}
    for package in dict.fromkeys([*PACKAGES, *find_format(model_format).packages]):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
