"""Scenes of living cells under a microscope, rendered with exact ground truth.

The demo, the shipped model and the regression gates use them: no download, no licence question,
and the same pictures on every machine. Cells crawl, touch and deform (``demo_culture.py``); the
look is phase contrast with fluorescing nuclei (``demo_optics.py``). Cytoplasm is about as bright as the medium, so a
threshold finds nothing; debris and dead cells lie about as bait.

    python -m edgeseg.demo.cells DIR [--train 400 --val 60 --size 256 --seed 1]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edgeseg.console.terminal import say
from edgeseg.demo.culture import Culture
from edgeseg.demo.optics import Canvas, Float32, halo, membrane, outline, own_depth, paint
from edgeseg.files.atomic import atomic_file
from edgeseg.image import UInt8

CLASSES = ("background", "cell", "border")
BACKGROUND, CELL, BORDER = range(3)
MEMBRANE = 3.6
"""Width of the border class inside a cell's outline, in pixels of a 256 pixel picture."""
FAR = np.float32(-1e3)

_TINTS = ((1.0, 1.0, 1.0), (1.06, 1.0, 0.93), (0.92, 1.0, 1.05), (1.0, 1.04, 0.94))
_STAINS = ((1.0, 0.72, 0.1), (0.95, 0.25, 0.55), (0.45, 1.0, 0.25), (0.9, 0.5, 0.15))


class Scene:
    """A culture under one microscope; ``render()`` gives the present frame, ``step()`` moves on.

    Args:
        seed: decides everything.
        height, width: picture size in pixels, at least 32.
    """

    def __init__(self, seed: int, height: int, width: int) -> None:
        seed %= 2**32
        self._scale = min(height, width) / 256
        self._size = (height, width)
        self._culture = Culture(seed, height / self._scale, width / self._scale)
        self._seed = seed
        self._frame = 0
        random = np.random.RandomState(seed ^ 0x5EED)
        self._knobs: list[float] = random.random_sample(8).tolist()
        self._grain = _grain(random)
        self._medium = _medium(random, height, width, self._scale)
        self._tint: Float32 = np.array(_TINTS[random.randint(len(_TINTS))], np.float32)
        self._stain: Float32 = np.array(_STAINS[random.randint(len(_STAINS))], np.float32)

    def step(self) -> None:
        """Move on by one frame."""
        self._culture.step()
        self._frame += 1

    def render(self) -> tuple[UInt8, UInt8]:
        """Draw the picture, HWC uint8 BGR, and its labels, HW uint8 of :data:`CLASSES`."""
        shape = self._size
        canvas = Canvas(
            np.full(shape, FAR), np.full(shape, FAR), self._medium.copy(), np.zeros(shape, np.float32), self._scale
        )
        cells = self._culture.shapes()
        patches = [outline(canvas, cell) for cell in cells]
        halo(canvas)
        for cell, patch, traits in zip(cells, patches, self._culture.traits, strict=True):
            if patch is not None:
                paint(canvas, patch, cell, traits, self._grain)
        own = own_depth(canvas)
        membrane(canvas, own)
        return self._expose(canvas), _labels(own, self._scale)

    def _expose(self, canvas: Canvas) -> UInt8:
        """Light to camera values: contrast, colour, focus and sensor noise."""
        contrast = 0.85 + 0.6 * self._knobs[0]
        gain = 0.85 + 0.3 * self._knobs[1]
        grey = ((canvas.light - 128) * contrast + 128) * gain
        color = grey[..., None] * self._tint + canvas.stain[..., None] * (self._stain * (55 + 95 * self._knobs[2]))
        fixed = np.clip(color * 200, 0, 65535).astype(np.uint16)
        sigma = (0.55 + 0.75 * self._knobs[3]) * max(0.6, self._scale)
        seen = cv2.GaussianBlur(fixed, (0, 0), sigma).astype(np.float32) / 200
        exposed: UInt8 = np.clip(seen + self._noise(seen) + 0.5, 0, 255).astype(np.uint8)
        return exposed

    def _noise(self, seen: Float32) -> Float32:
        """Sensor noise, stronger in the light; the sum of four random bytes is nearly a Gauss curve."""
        random = np.random.RandomState((self._seed * 7919 + self._frame * 104729 + 1) % 2**32)
        dice = np.frombuffer(random.bytes(4 * seen.size), np.uint8).reshape(4, *seen.shape)
        total = dice.sum(0, dtype=np.uint16).astype(np.float32) - 510
        strength = np.float32((1.2 + 2.6 * self._knobs[4]) / 148)
        return np.asarray(total * strength * (0.6 + seen / 320), np.float32)


def render_scene(seed: int, index: int, height: int, width: int) -> tuple[UInt8, UInt8]:
    """Render frame ``index`` of the clip ``seed``.

    Returns:
        The picture, HWC uint8 BGR, and its labels, HW uint8: 0 background, 1 cell, 2 border.
        The border is the membrane, and so the seam where cells touch.
    """
    scene = Scene(seed, height, width)
    for _ in range(index):
        scene.step()
    return scene.render()


def render_clip(seed: int, frames: int, height: int, width: int) -> Iterator[tuple[UInt8, UInt8]]:
    """Render the first ``frames`` frames of the clip ``seed``, each as :func:`render_scene` gives it."""
    scene = Scene(seed, height, width)
    for _ in range(frames):
        yield scene.render()
        scene.step()


def _labels(own: Float32, scale: float) -> UInt8:
    labels = np.where(own < MEMBRANE, np.uint8(BORDER), np.uint8(CELL))
    return np.where(own > 0, labels, np.uint8(BACKGROUND))


def _grain(random: np.random.RandomState) -> Float32:
    """A 256x256 tile that repeats, about -1..1: fine granules over coarse clouds."""
    layers = []
    for sigma in (1.6, 4.5):
        tile = np.tile(random.randint(0, 65536, (256, 256)).astype(np.uint16), (2, 2))
        soft = cv2.GaussianBlur(tile, (0, 0), sigma)[64:320, 64:320].astype(np.float32) - 32768
        layers.append(np.roll(soft, (64, 64), (0, 1)) * np.float32(sigma / 13000))
    return np.asarray(layers[0] * np.float32(0.7) + layers[1] * np.float32(0.6), np.float32)


def _medium(random: np.random.RandomState, height: int, width: int, scale: float) -> Float32:
    """Background light: uneven lamp, faint texture, debris and dead cells."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    tilt = random.random_sample(4).astype(np.float32) - np.float32(0.5)
    light = 128 + 34 * (tilt[0] * x + tilt[1] * y) + 16 * tilt[2] * x * y - 13 * (x * x + y * y) + 30 * tilt[3]
    light += _texture(random, height, width) * 7
    for _ in range(random.randint(8, 26)):
        _speck(light, random, scale)
    return np.asarray(light, np.float32)


def _texture(random: np.random.RandomState, height: int, width: int) -> Float32:
    coarse = random.randint(0, 256, (14, 14)).astype(np.uint8)
    wide = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(wide.astype(np.float32) / 128 - 1, np.float32)


def _speck(light: Float32, random: np.random.RandomState, scale: float) -> None:
    """Dust or a dead cell: a bright or dark dot, with a ring when it is out of focus."""
    cy, cx, kind, size, strength = random.random_sample(5)
    radius = (1.2 + 4.5 * size * size) * scale
    height, width = light.shape
    y = (np.arange(height, dtype=np.float32) - np.float32(cy * height))[:, None] / np.float32(radius)
    x = (np.arange(width, dtype=np.float32) - np.float32(cx * width))[None] / np.float32(radius)
    away = x * x + y * y
    dot = np.clip(1 - away, 0, 1)
    ring = np.clip(1 - np.abs(away - np.float32(2.2)) / 1.6, 0, 1)
    sign = 1 if kind > 0.35 else -1
    light += sign * np.float32(25 + 55 * strength) * (dot - np.float32(0.45) * ring)


def write_dataset(root: Path | str, train: int, val: int, size: int, seed: int) -> None:
    """Write ``images/``, ``masks/`` (``train`` and ``val``) and ``classes.txt`` under ``root``.

    Every picture is another culture; the two splits share none.

    Raises:
        OutputError: the folder cannot be written.
    """
    root = Path(root)
    for split, count, first in (("train", train, 0), ("val", val, 500_000)):
        for number in range(count):
            image, mask = render_scene(seed * 1_000_003 + first + number, number % 5, size, size)
            for kind, picture in (("images", image), ("masks", mask)):
                _write_png(root / kind / split / f"{number:05d}.png", picture)
    with atomic_file(root / "classes.txt") as staged:
        staged.write_text("\n".join(CLASSES) + "\n", encoding="utf-8")


def _write_png(path: Path, picture: UInt8) -> None:
    with atomic_file(path) as staged:
        staged.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def main(argv: Sequence[str] | None = None) -> int:
    """Write a labelled dataset: ``python -m edgeseg.demo.cells DIR``."""
    parser = argparse.ArgumentParser(prog="python -m edgeseg.demo.cells", description="Render a dataset of cells.")
    parser.add_argument("root", type=Path, metavar="DIR")
    for name, default in (("train", 400), ("val", 60), ("size", 256), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    args = parser.parse_args(argv)
    write_dataset(args.root, args.train, args.val, args.size, args.seed)
    say(f"{args.root}: {args.train} train and {args.val} val pictures of {args.size}x{args.size}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
