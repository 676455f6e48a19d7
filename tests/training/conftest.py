from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeseg.dataset import Dataset
from edgeseg.spec import ModelSpec


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Networks this small only wait for each other on two threads."""
    torch.set_num_threads(1)


def draw_discs(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture with bright discs, and where they are."""
    image = rng.integers(0, 90, (size, size, 3), dtype=np.uint8)
    mask = np.zeros((size, size), np.uint8)
    for _ in range(3):
        center = tuple(int(v) for v in rng.integers(8, size - 8, 2))
        radius = int(rng.integers(5, 12))
        cv2.circle(mask, center, radius, 1, -1)
        cv2.circle(image, center, radius, (60, 200, 160), -1)
    return image, mask


@pytest.fixture(scope="session")
def disc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training and 4 validation pictures of discs, 48x48."""
    root = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(5)
    for split, count in (("train", 12), ("val", 4)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            image, mask = draw_discs(rng, 48)
            mask[:2] = 255
            cv2.imwrite(str(root / "images" / split / f"{index:02}.png"), image)
            cv2.imwrite(str(root / "masks" / split / f"{index:02}.png"), mask)
    (root / "classes.txt").write_text("background\ndisc\n")
    return root


@pytest.fixture
def discs(disc_folder: Path) -> Dataset:
    return Dataset.open(disc_folder)


@pytest.fixture
def disc_spec(discs: Dataset) -> ModelSpec:
    return ModelSpec("multiclass", discs.classes, 48, 48)
