"""What another day, another camera and another encoder do to a picture: light, haze, rain, shadow, noise, JPEG.

The corruptions are those of Hendrycks and Dietterich 2019 (arXiv:1903.12261) that leave every label where it is, with
smaller strengths. Each function takes an HWC uint8 BGR picture and gives a new one of that shape; all that is random
comes from the generator it is given, so that the same seed gives the same picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edgeseg.image import UInt8

Effect = Callable[[UInt8, np.random.Generator], UInt8]
MOTION, STREAKS = 9, 400


def change_gamma(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Change the levels by a power of 1/2 to 2, as exposure and tone curves do."""
    power = float(np.exp(rng.uniform(-np.log(2), np.log(2))))
    return _look_up(image, 255 * (np.arange(256) / 255) ** power)


def tint(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Multiply each channel by 0.8 to 1.25, as another white balance does."""
    gains = np.exp(rng.uniform(-np.log(1.25), np.log(1.25), 3))
    tables = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, tables[None]), np.uint8)


def blur(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Blend neighbours: by a Gaussian of 0.5 to 2 pixels, or over 3 to 9 pixels in one direction."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2))), np.uint8)
    length = int(rng.integers(1, MOTION // 2 + 1)) * 2 + 1
    angle, reach = rng.uniform(0, np.pi), length // 2
    kernel = np.zeros((length, length), np.float32)
    step = (int(np.rint(reach * np.cos(angle))), int(np.rint(reach * np.sin(angle))))
    cv2.line(kernel, (reach - step[0], reach - step[1]), (reach + step[0], reach + step[1]), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def add_noise(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Add Gaussian noise of 2 to 12 levels to every value."""
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 12))
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def compress(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Write and read a JPEG of quality 20 to 80."""
    done, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 81))))
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def add_haze(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Mix in up to 60 % of a grey that is thickest at a random height: fog, and the glare of a low sun."""
    rows = np.arange(image.shape[0], dtype=np.float32) / image.shape[0]
    spread = float(rng.uniform(0.2, 0.6))
    share = rng.uniform(0.15, 0.6) * np.exp(-(((rows - rng.uniform(0.2, 0.7)) / spread) ** 2))
    light = float(rng.uniform(150, 245))
    return _mix(image, np.full_like(image, int(light)), share[:, None].astype(np.float32))


def add_rain(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Draw bright streaks of one direction over a picture that has less contrast."""
    height, width = image.shape[:2]
    count = int(rng.uniform(0.2, 1) * STREAKS * height * width / (360 * 480))
    slope, length = rng.uniform(-0.4, 0.4), rng.uniform(0.02, 0.06) * height
    starts = rng.uniform((0, -length), (width, height), (count, 2))
    ends = starts + np.array((slope * length, length))
    layer = np.zeros((height, width), np.uint8)
    cv2.polylines(layer, list(np.stack([starts, ends], 1).round().astype(np.int32)), False, 255, 1, cv2.LINE_AA)
    share = cv2.GaussianBlur(layer, (3, 3), 0).astype(np.float32) / 255 * float(rng.uniform(0.3, 0.7))
    flat = _look_up(image, (np.arange(256) - 128) * 0.85 + 128)
    return _mix(flat, np.full_like(image, 215), share)


def add_shadow(image: UInt8, rng: np.random.Generator) -> UInt8:
    """Add a shadow: a random four-cornered part is 30 to 70 % darker, its edge a little soft."""
    height, width = image.shape[:2]
    corners = rng.uniform((-0.2, -0.2), (1.2, 1.2), (4, 2)) * (width, height)
    layer = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(layer, cv2.convexHull(corners.round().astype(np.int32)), 255)
    share = cv2.GaussianBlur(layer, (7, 7), 0).astype(np.float32) / 255 * float(rng.uniform(0.3, 0.7))
    return _mix(image, np.zeros_like(image), share)


EFFECTS: tuple[Effect, ...] = (change_gamma, tint, add_shadow, add_haze, add_rain, blur, add_noise, compress)
"""In the order in which the world, the lens, the sensor and the encoder do it."""


def weather(image: UInt8, probability: float, rng: np.random.Generator) -> UInt8:
    """Change a picture by each of :data:`EFFECTS`, in their order and each with ``probability``."""
    for effect in EFFECTS:
        if rng.random() < probability:
            image = effect(image, rng)
    return image


def _look_up(image: UInt8, values: np.ndarray) -> UInt8:
    return np.asarray(cv2.LUT(image, np.clip(np.rint(values), 0, 255).astype(np.uint8)), np.uint8)


def _mix(image: UInt8, other: UInt8, share: np.ndarray) -> UInt8:
    """``image`` where ``share`` (HW, or H1) is 0, ``other`` where it is 1."""
    mixed = np.rint(image + (other.astype(np.float32) - image) * share[..., None])
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)
