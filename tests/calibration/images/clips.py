"""Small rendered clips for the tests of calibration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np

from edgeseg.image import UInt8

HEIGHT, WIDTH = 96, 160


def write_clip(path: Path, frames: Iterable[UInt8]) -> Path:
    """H.264 of BGR frames, in any container that the ending names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12", "g": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def street(seed: int) -> UInt8:
    """A scene of coarse random blocks: another seed, another scene."""
    blocks = np.random.default_rng(seed).integers(30, 220, (6, 10, 3), np.uint8)
    return np.asarray(cv2.resize(blocks, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST), np.uint8)


def grainy(image: UInt8, seed: int) -> UInt8:
    """With the noise of a camera."""
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def car_at(image: UInt8, x: int) -> UInt8:
    """With a white box at column ``x``."""
    shown = image.copy()
    shown[50:74, x : x + 24] = 235
    return shown
