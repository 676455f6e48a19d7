"""Labelled sets that tests draw themselves: three shapes on noise, in any form that masks are kept in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edgeseg.image import UInt8

HEIGHT, WIDTH = 48, 64
CLASSES = ("background", "box", "disc")
COLORS = ((0, 0, 0), (200, 30, 30), (20, 160, 220))
"""RGB of each class."""


def draw_labels(seed: int) -> UInt8:
    """A box and a disc somewhere: HW uint8 of 0, 1, 2."""
    random = np.random.default_rng(seed)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    top, left = (int(value) for value in random.integers(2, 14, 2))
    cv2.rectangle(labels, (left, top), (left + 16, top + 14), 1, -1)
    cv2.circle(labels, (int(random.integers(40, 54)), int(random.integers(14, 34))), 8, 2, -1)
    return labels


def draw_image(seed: int) -> UInt8:
    """A picture that no other seed has, HWC uint8 BGR."""
    random = np.random.default_rng(1000 + seed)
    coarse = random.integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def paint(labels: UInt8, colors: tuple[tuple[int, int, int], ...] = COLORS) -> UInt8:
    """Labels in colour, HWC uint8 BGR."""
    table = np.array([(blue, green, red) for red, green, blue in colors], np.uint8)
    return np.asarray(table[labels])


def write_picture(path: Path, image: UInt8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def write_pairs(
    root: Path,
    image_at: str,
    mask_at: str,
    count: int = 6,
    encode: Callable[[UInt8], UInt8] = lambda labels: labels,
    first: int = 0,
) -> Path:
    """Write pictures and masks; ``image_at`` and ``mask_at`` have ``{}`` for the number."""
    for seed in range(first, first + count):
        write_picture(root / image_at.format(seed), draw_image(seed))
        write_picture(root / mask_at.format(seed), encode(draw_labels(seed)))
    return root
