"""How the cells of a rendered culture move: they crawl, bump, stick together and change shape.

Only arithmetic that IEEE 754 fixes (+ - * / sqrt) touches the state; the few sines are rounded to
1e-6, so that another C library or instruction set gives the same culture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

MARGIN = 48.0
"""Width of the world around the picture, in pixels: cells leave and come back out of sight."""
SPEED = 0.55
TOUCH = 0.86
"""Share of the sum of two radii at which cells rest: under 1, so that neighbours flatten each other."""


@dataclass(frozen=True)
class Shape:
    """One cell at one moment, lengths in pixels of a picture 256 pixels high or wide.

    Attributes:
        x, y: centre.
        cos, sin: orientation of the long axis.
        long, short: half axes.
        bend, lobe, skew: how the ellipse is deformed; all zero is a plain ellipse.
        age: radians of the cell's own slow clock.
    """

    x: float
    y: float
    cos: float
    sin: float
    long: float
    short: float
    bend: float
    lobe: float
    skew: float
    age: float


class Culture:
    """Cells on a torus a little larger than the picture.

    Args:
        seed: the same seed gives the same culture on every machine.
        height, width: picture size in units of which the shorter side has 256.
    """

    def __init__(self, seed: int, height: float, width: float) -> None:
        random = np.random.RandomState(seed)
        self._world = np.array([width + 2 * MARGIN, height + 2 * MARGIN])
        area = self._world[0] * self._world[1]
        density = 0.36 + 0.5 * random.random_sample()
        count = int(density * area / (math.pi * 23.0**2))
        self.radius: Float = 14.0 + 17.0 * random.random_sample(count) ** 1.3
        self.traits: Float = random.random_sample((count, 10))
        self._place = random.random_sample((count, 2)) * self._world
        self._heading = _unit(random.random_sample((count, 2)) - 0.5)
        self._axis = _unit(random.random_sample((count, 2)) - 0.5)
        self._random = random
        self._time = 0
        for _ in range(40):
            self._settle()

    def step(self) -> None:
        """Move on by one frame."""
        self._time += 1
        turn = self._random.random_sample(self._heading.shape) - 0.5
        self._heading = _unit(self._heading + 0.5 * turn)
        self._place = self._place + SPEED * (0.4 + self.traits[:, :1]) * self._heading
        self._axis = _unit(self._axis + 0.015 * self._heading)
        self._settle(0.3)

    def _settle(self, rate: float = 0.5) -> None:
        """Push overlapping cells apart and pull near ones together."""
        away = self._place[:, None] - self._place[None]
        away -= self._world * np.round(away / self._world)
        distance = np.sqrt(away[..., 0] ** 2 + away[..., 1] ** 2) + np.eye(len(away)) * 1e9 + 1e-6
        rest = TOUCH * (self.radius[:, None] + self.radius[None])
        near = distance < 1.12 * rest
        push = np.where(distance < rest, rest - distance, 0.04 * (rest - distance)) * near
        force = (away / distance[..., None] * push[..., None]).sum(1)
        self._place = np.round((self._place + rate * force) % self._world, 6)

    def shapes(self) -> list[Shape]:
        """List all cells as they are now."""
        return [self._shape(index) for index in range(len(self.radius))]

    def _shape(self, index: int) -> Shape:
        trait = self.traits[index]
        age = self._time * (0.03 + 0.05 * trait[1]) + 6.28 * trait[2]
        stretch = 1.0 + 0.38 * trait[3] + 0.05 * _sine(age)
        radius = self.radius[index]
        return Shape(
            x=float(self._place[index, 0] - MARGIN),
            y=float(self._place[index, 1] - MARGIN),
            cos=float(self._axis[index, 0]),
            sin=float(self._axis[index, 1]),
            long=float(radius * stretch),
            short=float(radius / stretch),
            bend=0.25 * (trait[4] - 0.5) + 0.08 * _sine(0.7 * age + 1.0),
            lobe=0.22 * (trait[5] - 0.5) + 0.06 * _sine(1.3 * age + 2.0),
            skew=0.22 * (trait[6] - 0.5) + 0.06 * _sine(0.9 * age + 4.0),
            age=age,
        )


def _unit(vectors: Float) -> Float:
    length = np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2) + 1e-9
    return np.round(vectors / length[:, None], 6)


def _sine(angle: float) -> float:
    return round(math.sin(angle), 6)
