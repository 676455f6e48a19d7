"""Masks of an exported artifact against those that the library itself made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fitted import scene

from edgeseg.artifact import Artifact
from edgeseg.image import UInt8
from edgeseg.runtime.engines.predictor import open_predictor

SIZES = ((64, 96), (64, 96), (64, 96), (120, 180), (48, 72), (100, 100))
"""As own_words.py has them."""
SAME = 3
"""So many of them are of the network's size."""


def differences(root: Path, name: str, precision: str = "fp32") -> tuple[list[float], list[UInt8]]:
    """Share of the pixels of each picture that edgeseg labels otherwise than the library, and the library's masks."""
    with np.load(root / f"{name}.npz") as kept:
        own = [kept[key] for key in kept.files]
    with open_predictor(Artifact.open(root / "artifacts" / f"{name}-{precision}-onnx")) as predict:
        found = [predict(scene(500 + number, *size)[0]) for number, size in enumerate(SIZES)]
    return [float(np.mean(one != other)) for one, other in zip(found, own, strict=True)], own
