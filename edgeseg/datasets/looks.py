"""What a mask looks like that nobody drew: specks that smoothing, JPEG or a wrong resize leave behind."""

from __future__ import annotations

import cv2
import numpy as np

from edgeseg.image import UInt8

SPECK_PIXELS = 3
LEAST_SPECKS, MANY_SPECKS = 60, 0.005
"""Specks a mask at least, and a pixel. Drawn masks of CamVid hold up to 0.0037 a pixel, the same ones resized with
bilinear weights 0.0084."""


def count_specks(mask: UInt8) -> int:
    """Count areas of one to three pixels in an HW uint8 mask; 0 where they are not so many that nobody drew them.

    >>> count_specks(np.zeros((9, 9), np.uint8))
    0
    """
    specks = 0
    for value in np.unique(mask):
        _, _, stats, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        specks += int((areas <= SPECK_PIXELS).sum())
    return specks if specks >= max(LEAST_SPECKS, MANY_SPECKS * mask.size) else 0
