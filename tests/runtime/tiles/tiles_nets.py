"""Two real networks, one that sees a few pixels far and one that sees everything, at any input size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.image import UInt8
from edgeseg.models.blocks import AnySize
from edgeseg.spec import ModelSpec

MakeNet = Callable[..., Artifact]


class LocalNet(AnySize):
    """Three convolutions on two scales: stride 4, and a class depends on at most 16 pixels to each side."""

    stride = 4

    def __init__(self, is_global: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.is_global = is_global
        self.fine, self.coarse, self.deep = (nn.Conv2d(n, 8, 3, padding=1) for n in (3, 8, 8))
        self.head = nn.Conv2d(8, 3, 1)
        for layer in (self.fine, self.coarse, self.deep, self.head):
            nn.init.normal_(layer.weight, std=0.6)

    def logits(self, x: Tensor) -> Tensor:
        x = F.relu(self.fine(x))
        x = F.relu(self.coarse(F.max_pool2d(x, 2)))
        x = F.relu(self.deep(F.max_pool2d(x, 2)))
        if self.is_global:
            x = x - 1.0 * x.mean((2, 3), keepdim=True)
        return self.head(F.interpolate(x, scale_factor=4.0, mode="bilinear", align_corners=False))


@pytest.fixture(scope="session")
def make_net(tmp_path_factory: pytest.TempPathFactory) -> MakeNet:
    """Make an artifact: ``make_net(96, 128)``; ``is_global=True`` for one that sees everything."""
    made: dict[object, Artifact] = {}

    def make(height: int, width: int, is_global: bool = False, outputs: tuple[str, ...] = ("labels",)) -> Artifact:
        key = (height, width, is_global, outputs)
        if key not in made:
            made[key] = _write(tmp_path_factory.mktemp("net"), height, width, is_global, outputs)
        return made[key]

    return make


def _write(parent: Path, height: int, width: int, is_global: bool, outputs: tuple[str, ...]) -> Artifact:
    spec = ModelSpec("multiclass", ("a", "b", "c"), height, width, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    manifest = {"name": "local", "precision": "fp32", "format": "onnx", "outputs": list(outputs), "spec": spec}
    target = artifact_dir(parent, "local", "fp32", "onnx")
    proto = onnx_from_checkpoint(LocalNet(is_global).eval(), spec)
    with writing_artifact(target, manifest) as folder:
        onnx.save_model(deployed_graph(proto, spec, outputs), str(folder / "model.onnx"))
    return Artifact.open(target)


@pytest.fixture(scope="session")
def scene() -> UInt8:
    """A picture of 300x380 whose classes change at every scale; no side is a multiple of a tile."""
    return make_scene(300, 380)


def make_scene(height: int, width: int, seed: int = 0) -> UInt8:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
