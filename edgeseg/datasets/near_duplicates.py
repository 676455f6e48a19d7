"""Pictures that show nearly the same: a perceptual hash each, and which of them lie close to each other.

The hash is pHash (C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010): the picture
as 32x32 grey, its lowest 8x8 frequencies, one bit each for above or below their median. Two pictures are near
duplicates where few of the 64 bits differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8

SIDE, LOW = 32, 8
MOST_BITS = 8
"""Of 64 bits that may differ. Measured on CamVid: see docs/data.md."""

UInt64 = npt.NDArray[np.uint64]


def hash_picture(image: UInt8) -> int:
    """Compute the 64-bit perceptual hash of an HWC uint8 BGR image.

    >>> coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    >>> image = cv2.resize(coarse, (64, 48))
    >>> larger = hash_picture(cv2.resize(image, (80, 60)))
    >>> (hash_picture(image) ^ larger).bit_count() <= MOST_BITS
    True
    """
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low = np.asarray(cv2.dct(grey.astype(np.float32)))[:LOW, :LOW].ravel()
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def find_near(hashes: Sequence[int], most_bits: int = MOST_BITS) -> Iterator[tuple[int, int, int]]:
    """Give the positions of each two pictures whose hashes differ in at most so many bits, and in how many.

    >>> list(find_near([0b0, 0b1, 2**64 - 1]))
    [(0, 1, 1)]
    """
    codes = np.asarray(hashes, np.uint64)
    for at in range(len(codes) - 1):
        differing = count_bits(codes[at + 1 :] ^ codes[at])
        for other in np.flatnonzero(differing <= most_bits):
            yield at, at + 1 + int(other), int(differing[other])


def count_bits(codes: UInt64) -> npt.NDArray[np.int64]:
    """Count the bits that are set in each code."""
    return np.asarray(np.unpackbits(codes.view(np.uint8).reshape(-1, 8), axis=1).sum(1), np.int64)
