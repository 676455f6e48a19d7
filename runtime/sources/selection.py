"""Which frames of a source are used, and which part of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeseg.errors import UserError


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels, from the left and the top of the picture as it is after turning."""

    x: int
    y: int
    width: int
    height: int

    @staticmethod
    def parse(text: str) -> Region:
        """Parse ``X,Y,WIDTH,HEIGHT``.

        Raises:
            UserError: something else, or nothing inside.
        """
        found = re.fullmatch(r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})", text.replace(" ", ""))
        if not found or 0 in map(int, found.groups()[2:]):
            raise UserError(f"A region is X,Y,WIDTH,HEIGHT in pixels, as in 100,0,640,480; found {text!r}.")
        return Region(*map(int, found.groups()))


@dataclass(frozen=True)
class Selection:
    """What is taken.

    Attributes:
        every: one frame of so many.
        max_fps: at most so many frames a second, in the time of the recording or of the camera.
        rotate: degrees clockwise: 0, 90, 180 or 270.
        region: the part used, after turning; None for all.
    """

    every: int = 1
    max_fps: float | None = None
    rotate: int = 0
    region: Region | None = None

    def check(self) -> None:
        """Raise UserError for values that select nothing."""
        if self.every < 1:
            raise UserError(f"`every` must be at least 1; found {self.every}.")
        if self.max_fps is not None and not 0 < self.max_fps < float("inf"):
            raise UserError(f"`max_fps` must be above 0; found {self.max_fps:g}.")
