"""Small encoded pictures of noise, for what watches a stream for missing ones."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np


def noise_packets(codec: Any, count: int, size: tuple[int, int], step: int) -> list[bytes]:
    """Encode ``count`` pictures at 25 a second, in Annex B form with parameter sets.

    Args:
        codec: with its options set.
        size: width and height.
        step: by how much the grey of the left half grows from one to the next.
    """
    codec.width, codec.height, codec.pix_fmt = *size, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 25), Fraction(25, 1)
    rng = np.random.default_rng(3)
    found = []
    for number in range(count):
        picture = rng.integers(0, 255, (size[1], size[0], 3), np.uint8)
        picture[:, : size[0] // 2] = number * step
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = number
        found += [bytes(packet) for packet in codec.encode(frame)]
    return found + [bytes(packet) for packet in codec.encode(None)]
