"""A trained U-Net whose weights are made hard to quantise: in float it computes what it did."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeseg.dataset import Dataset
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import read_checkpoint, save_checkpoint
from edgeseg.training.loop import train
from edgeseg.training.settings import TrainSettings

FACTOR = 400.0
BLOCKS = (*(f"encoder.stages.{number}" for number in range(5)), *(f"decoder.{number}" for number in range(4)))
COLORS = ((60, 200, 160), (60, 170, 190))


def disc_data(root: Path, size: int = 64) -> Dataset:
    """24 training and 12 validation pictures of discs in two similar colours, in noise."""
    rng = np.random.default_rng(5)
    for split, count in (("train", 24), ("val", 12)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            image, mask = _discs(rng, size)
            cv2.imwrite(str(root / "images" / split / f"{number:02}.png"), image)
            cv2.imwrite(str(root / "masks" / split / f"{number:02}.png"), mask)
    (root / "classes.txt").write_text("background\nolive\nyellow\n")
    return Dataset.open(root)


def _discs(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    image, mask = rng.integers(0, 90, (size, size, 3), dtype=np.int16), np.zeros((size, size), np.uint8)
    for _ in range(3):
        center, radius = tuple(int(v) for v in rng.integers(8, size - 8, 2)), int(rng.integers(5, 12))
        label = int(rng.integers(1, 3))
        cv2.circle(mask, center, radius, label, -1)
        cv2.circle(image, center, radius, COLORS[label - 1], -1)
    return np.clip(image + rng.integers(-40, 40, image.shape), 0, 255).astype(np.uint8), mask


def hard_checkpoint(data: Dataset, out: Path) -> Path:
    """Trains for seconds, then multiplies one channel of every block and divides what reads it.

    ReLU lets a positive factor through, so the function stays; one scale a tensor then leaves the
    other channels a level or two.
    """
    settings = TrainSettings(
        out, "unet-plain", {"width": 0.25}, epochs=15, batch=4, lr=1e-2, amp="no", device="cpu", val_every=15
    )
    values = read_checkpoint(train(data, ModelSpec("multiclass", data.classes, 64, 64), settings).best)
    state = values["state"]
    for block in BLOCKS:
        channel = int(state[f"{block}.0.1.weight"].abs().argmax())
        state[f"{block}.0.1.weight"][channel] *= FACTOR
        state[f"{block}.0.1.bias"][channel] *= FACTOR
        state[f"{block}.1.0.weight"][:, channel] /= FACTOR
    spec = ModelSpec.from_json(values["spec"])
    save_checkpoint(out / "hard.pt", values["model"], spec, state, values["training"])
    return out / "hard.pt"
