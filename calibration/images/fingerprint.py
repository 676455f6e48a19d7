"""A small picture of a picture: cheap to make, and enough to tell copies and near copies.

The fingerprint of an image is its 16x16 average colours. The change between two images is the
root mean square difference of their fingerprints in grey levels (0..255). It is squared before
it is averaged, so that a person who walks through a still scene counts for more than an even
change of the same sum; codec and camera noise averages out (a still clip shows less than 0.5).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8

Float32 = npt.NDArray[np.float32]

SIDE = 16
LENGTH = SIDE * SIDE * 3
NEAR = 2.0
FLAT = 2


def fingerprint(image: UInt8) -> UInt8:
    """Compute (768,) uint8 of an HWC uint8 BGR image of any size."""
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8).reshape(LENGTH)


def changes(one: UInt8 | Float32, others: UInt8 | Float32) -> Float32:
    """Compute the (N,) change in grey levels from one fingerprint to each of (N, 768) others."""
    apart = np.asarray(others, np.float32) - np.asarray(one, np.float32)
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", apart, apart) / LENGTH), np.float32)


def is_flat(image: UInt8, print_: UInt8) -> bool:
    """Tell whether an image with this fingerprint is one colour: no channel spans more than two grey levels."""
    if np.ptp(print_.reshape(-1, 3), axis=0).max() > FLAT:  # most images need no second look
        return False
    return int(np.ptp(image.reshape(-1, 3), axis=0).max()) <= FLAT
