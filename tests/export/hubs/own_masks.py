"""Masks of an exported artifact against those that the library itself made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fitted import scene

from edgeseg.artifact import Artifact
from edgeseg.image import UInt8
from edgeseg.runtime.engines.predictor import open_predictor


def differences(root: Path, name: str, precision: str = "fp32") -> tuple[list[float], list[float], set[int]]:
    """Share of the pixels of each picture that edgeseg labels otherwise than the library.

    Returns:
        Those of pictures of the network's size, those of others, and the labels that the library gives.
    """
    with np.load(root / f"{name}.npz") as kept:
        own: list[UInt8] = [kept[key] for key in kept.files]
    same, resized = [], []
    with open_predictor(Artifact.open(root / "artifacts" / f"{name}-{precision}-onnx")) as predict:
        size = (predict.spec.height, predict.spec.width)
        for number, mask in enumerate(own):
            found = predict(scene(500 + number, *mask.shape)[0])
            (same if mask.shape == size else resized).append(float(np.mean(found != mask)))
    assert len(same) >= 2
    return same, resized, set(np.unique(np.concatenate([mask.ravel() for mask in own])).tolist())
