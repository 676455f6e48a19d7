"""The two files of an OpenVINO IR as one thing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgeseg.files.atomic import file_sha256


def weights_beside(path: Path) -> Path:
    """Return the file in which the weights of an IR are.

    >>> weights_beside(Path("models/net.xml")).name
    'net.bin'
    """
    return path.with_suffix(".bin")


def ir_sha256(path: Path) -> str:
    """Compute the SHA-256 that stands for graph and weights together: a retrained network changes the second alone."""
    parts = [file_sha256(one) for one in (path, weights_beside(path)) if one.is_file()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
