"""Pictures of persons before a camera, drawn, with exact masks: what a network for persons is proven and shown on.

They are no photographs and nobody's likeness: head, hair, neck and shoulders of random proportions and colours in a
room out of focus. A network that was trained on photographs finds them well, which is what a comparison needs; how
well it finds real persons they do not say.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeseg.files.atomic import atomic_file
from edgeseg.image import Float32, UInt8

CLASSES = ("background", "person")
_SKINS = ((200, 160, 135), (150, 110, 85), (110, 75, 55), (220, 175, 150))
_BLUR = 1.2 / 256
_NOISE = 3.0


class _Canvas:
    """A picture, RGB float, in units of its own: x to the right and y down, the height is 1."""

    def __init__(self, random: np.random.Generator, height: int, width: int) -> None:
        rows, columns = np.mgrid[:height, :width].astype(np.float32) / np.float32(height)
        self.x, self.y = columns, rows
        self.light = _room(random, height, width)
        self.mask = np.zeros((height, width), bool)

    def paint(self, inside: np.ndarray, color: np.ndarray) -> None:
        """Paint an area with a soft edge, lit from one side."""
        blur = max(0.3, _BLUR * inside.shape[0])
        soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), blur)[..., None]
        shade = (1.12 - 0.16 * self.x - 0.12 * self.y)[..., None]
        self.light = self.light * (1 - soft) + soft * np.clip(color * shade, 0, 255).astype(np.float32)

    def ellipse(self, x: float, y: float, wide: float, high: float) -> np.ndarray:
        """Give the area of an ellipse by its centre and half axes."""
        inside: np.ndarray = ((self.x - x) / wide) ** 2 + ((self.y - y) / high) ** 2 < 1
        return inside


def render_person(seed: int, height: int = 256, width: int = 256) -> tuple[UInt8, UInt8]:
    """Draw a person before a camera.

    Args:
        seed: decides everything.
        height, width: of the picture in pixels, at least 32.

    Returns:
        The picture, HWC uint8 BGR, and its labels, HW uint8 of :data:`CLASSES`.

    >>> image, mask = render_person(1, 64, 96)
    >>> image.shape, mask.shape, bool(0.1 < mask.mean() < 0.7)
    ((64, 96, 3), (64, 96), True)
    """
    random = np.random.default_rng((seed, 0x9E))
    canvas = _Canvas(random, height, width)
    radius = float(random.uniform(0.11, 0.14))
    x = width / height * float(random.uniform(0.4, 0.6))
    y = float(random.uniform(0.12, 0.22)) + 1.25 * radius
    _paint_body(canvas, random, x, y, radius)
    picture = cv2.GaussianBlur(canvas.light, (0, 0), 0.7) + random.normal(0, _NOISE, canvas.light.shape)
    return np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8)[..., ::-1]), canvas.mask.astype(np.uint8)


def _paint_body(canvas: _Canvas, random: np.random.Generator, x: float, y: float, radius: float) -> None:
    skin = np.array(_SKINS[int(random.integers(len(_SKINS)))], np.float32)
    cloth = random.uniform(30, 170) + random.uniform(-30, 30, 3)
    hair = np.array((1.0, 0.85, 0.75)) * random.uniform(15, 90)
    wide, shoulders = radius * float(random.uniform(2.0, 2.5)), y + 1.9 * radius
    round_off = np.clip((shoulders + radius - canvas.y) / (1.2 * radius), 0, None) ** 2
    torso = (np.abs(canvas.x - x) / wide) ** 3 + round_off < 1
    neck = (np.abs(canvas.x - x) < 0.45 * radius) & (canvas.y > y) & (canvas.y < shoulders + 0.3 * radius)
    crown, face = (
        canvas.ellipse(x, y - 0.28 * radius, 1.02 * radius, 1.2 * radius),
        canvas.ellipse(x, y, 0.8 * radius, 1.1 * radius),
    )
    for area, color in ((torso, cloth), (neck, 0.85 * skin), (crown, hair), (face, skin)):
        canvas.paint(area, color)
    _paint_face(canvas, x, y, radius, skin, hair)
    canvas.mask = torso | neck | crown | face


def _paint_face(canvas: _Canvas, x: float, y: float, radius: float, skin: np.ndarray, hair: np.ndarray) -> None:
    """Draw eyes, brows, nose and mouth, by their place in the face in units of its radius."""
    white, pupil, lips = np.array((235.0,) * 3), np.array((30.0,) * 3), np.array((160.0, 70, 80))
    for side in (-0.33, 0.33):
        for height, wide, high, color in (
            (-0.1, 0.14, 0.08, white),
            (-0.1, 0.06, 0.07, pupil),
            (-0.3, 0.2, 0.04, hair),
        ):
            place = canvas.ellipse(x + side * radius, y + height * radius, wide * radius, high * radius)
            canvas.paint(place, color)
    canvas.paint(canvas.ellipse(x, y + 0.15 * radius, 0.09 * radius, 0.25 * radius), 0.9 * skin)
    canvas.paint(canvas.ellipse(x, y + 0.55 * radius, 0.3 * radius, 0.08 * radius), lips)


def _room(random: np.random.Generator, height: int, width: int) -> Float32:
    """Draw a wall out of focus: soft patches of little colour."""
    wall = np.zeros((height, width, 3), np.float32)
    for cells in (2, 4, 9):
        coarse = random.normal(0, 1 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        coarse = 0.7 * coarse.mean(axis=2, keepdims=True) + 0.3 * coarse
        wall += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(random.uniform(110, 190) + 28 * wall / (wall.std() + 1e-6), 0, 255), np.float32)


def write_persons(root: Path, count: int, size: int, seed: int) -> None:
    """Write ``images/val``, ``masks/val`` and ``classes.txt`` under ``root``.

    Raises:
        OutputError: the folder cannot be written.
    """
    for number in range(count):
        for kind, picture in zip(("images", "masks"), render_person(seed + number, size, size), strict=True):
            with atomic_file(root / kind / "val" / f"{number:03d}.png") as staged:
                staged.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    with atomic_file(root / "classes.txt") as staged:
        staged.write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")
