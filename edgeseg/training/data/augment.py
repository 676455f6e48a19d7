"""Augmentation on uint8 with OpenCV: one affine warp, then colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from edgeseg.image import LETTERBOX_VALUE, Float32, UInt8
from edgeseg.training.data.weather import weather
from edgeseg.training.losses.losses import VOID


@dataclass(frozen=True)
class Augmentation:
    """Ranges that are drawn from, uniformly.

    Attributes:
        scale: size relative to the network input, drawn on a logarithmic scale.
        flip: probability of a mirror image.
        rotate_deg: largest rotation, in degrees, either way.
        brightness, contrast, saturation: largest relative change, either way.
        hue: largest shift of OpenCV's 0..179 hue.
        blur: probability of a slight Gaussian blur.
        weather: probability of each effect of :mod:`~edgeseg.training.data.weather`.
    """

    scale: tuple[float, float] = (0.75, 2.0)
    flip: float = 0.5
    rotate_deg: float = 4.0
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: int = 6
    blur: float = 0.1
    weather: float = 0.0


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "light": Augmentation(),
    "strong": Augmentation(brightness=0.5, contrast=0.5, saturation=0.6, hue=12, blur=0.0, weather=0.15),
}
"""By name: the same days and cameras as the pictures', or others as well."""


def augment(
    image: UInt8,
    mask: UInt8,
    crop: tuple[int, int],
    base_scale: tuple[float, float],
    settings: Augmentation,
    rng: np.random.Generator,
) -> tuple[UInt8, UInt8]:
    """Cut a random crop of ``crop`` (height, width) pixels from an image and its mask.

    Args:
        image: HWC uint8 BGR.
        mask: HW uint8; what lies outside the image becomes void (255).
        crop: size of the result.
        base_scale: (y, x) factors that bring the image to the network's input size.
        settings: the ranges.
        rng: where every random number comes from.
    """
    matrix = _matrix(image.shape[:2], crop, base_scale, settings, rng)
    size = (crop[1], crop[0])
    border = (LETTERBOX_VALUE,) * 3
    image = np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=border), np.uint8)
    mask = np.asarray(cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST, borderValue=(VOID,)), np.uint8)
    return _recolor(image, settings, rng), mask


def warp_weights(
    weights: Float32,
    crop: tuple[int, int],
    base_scale: tuple[float, float],
    settings: Augmentation,
    rng: np.random.Generator,
) -> Float32:
    """Cut the weights of the crop that :func:`augment` makes with a generator in the same state.

    Args:
        weights: HW float32 in the mask's pixels; interpolated, 0 outside the image.
        crop, base_scale, settings: as given to :func:`augment`.
        rng: in the state in which :func:`augment` was given its own.
    """
    matrix = _matrix(weights.shape, crop, base_scale, settings, rng)
    return np.asarray(cv2.warpAffine(weights, matrix, (crop[1], crop[0]), flags=cv2.INTER_LINEAR), np.float32)


def _matrix(
    size: tuple[int, int],
    crop: tuple[int, int],
    base_scale: tuple[float, float],
    settings: Augmentation,
    rng: np.random.Generator,
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """2x3 map from image to crop: scale, mirror, rotate about the image centre, shift."""
    zoom = float(np.exp(rng.uniform(*np.log(settings.scale))))
    scale_y, scale_x = base_scale[0] * zoom, base_scale[1] * zoom
    mirror = -1.0 if rng.random() < settings.flip else 1.0
    angle = np.deg2rad(rng.uniform(-settings.rotate_deg, settings.rotate_deg))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([scale_x * mirror, scale_y])
    slack_y = (size[0] * scale_y - crop[0]) / 2
    slack_x = (size[1] * scale_x - crop[1]) / 2
    target = np.array(
        [crop[1] / 2 + rng.uniform(-1, 1) * abs(slack_x), crop[0] / 2 + rng.uniform(-1, 1) * abs(slack_y)]
    )
    center = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return np.column_stack([linear, target - 0.5 - linear @ center])


def _recolor(image: UInt8, settings: Augmentation, rng: np.random.Generator) -> UInt8:
    gain = 1 + rng.uniform(-settings.contrast, settings.contrast)
    shift = 255 * rng.uniform(-settings.brightness, settings.brightness) / 2
    mean = float(image.mean())
    image = _levels(image, gain, mean, shift)
    if settings.saturation or settings.hue:
        image = _shift_hsv(image, settings, rng)
    if rng.random() < settings.blur:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), np.uint8)
    return weather(image, settings.weather, rng) if settings.weather else image


def _levels(image: UInt8, gain: float, mean: float, shift: float) -> UInt8:
    table = np.clip((np.arange(256) - mean) * gain + mean + shift, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _shift_hsv(image: UInt8, settings: Augmentation, rng: np.random.Generator) -> UInt8:
    hue = int(rng.integers(-settings.hue, settings.hue + 1))
    gain = 1 + rng.uniform(-settings.saturation, settings.saturation)
    table = np.empty((1, 256, 3), np.uint8)
    levels = np.arange(256)
    table[0, :, 0] = (levels + hue) % 180
    table[0, :, 1] = np.clip(levels * gain, 0, 255)
    table[0, :, 2] = levels
    hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), table)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)
