"""Whether a rewritten float network computes what it did, on images that calibrate it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.image import Float32, UInt8

CHECKED_IMAGES = 2
TOLERANCE = 1e-4
"""Of the range of the logits. Powers of two change no bit, so anything that is seen at all is a wrong rule."""

Run = Callable[[UInt8], Float32]


def computes_the_same(before: Run, after: Run, images: CalibrationSet) -> bool:
    """Compare logits (1, K, H, W) and the labels that they give, on a few of the images."""
    for path in images.images[:CHECKED_IMAGES]:
        expected, found = (run(images.tensor(path)) for run in (before, after))
        if np.abs(expected - found).max() > TOLERANCE * np.ptp(expected):
            return False
        if not np.array_equal(expected.argmax(1), found.argmax(1)) or not np.array_equal(expected > 0, found > 0):
            return False
    return True
