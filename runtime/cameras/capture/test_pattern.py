"""``test://cells``: a rendered microscope as a camera, for trying things out without one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2

from edgeseg.image import UInt8
from edgeseg.runtime.cameras.capture.output import Output

_RENDERED = 16
_SHORT_SIDE = 192


class CellsReader:
    """Cells that crawl to and fro, rendered small and enlarged.

    Args:
        options: ``fps``, ``size`` (WIDTHxHEIGHT), ``seed``, and ``frames`` (0 for no end), as texts.
    """

    def __init__(self, options: dict[str, str]) -> None:
        self.fps: float | None = float(options["fps"])
        self._frames = int(options["frames"])
        self._seed = int(options["seed"])
        self._width, self._height = (int(side) for side in options["size"].split("x"))

    def run(self, output: Output) -> None:
        """Put every picture into ``output`` at its time, until it stops or the clip ends."""
        start_s = time.monotonic()
        for number, picture in enumerate(self._pictures()):
            if output.stopped or (self._frames and number == self._frames):
                return
            presented_s = number / (self.fps or 30.0)
            start_s = max(start_s, time.monotonic() - presented_s)
            time.sleep(max(0.0, start_s + presented_s - time.monotonic()))
            place = output.place(self._height, self._width)
            if place is not None:
                cv2.resize(picture, (self._width, self._height), dst=place, interpolation=cv2.INTER_LINEAR)
                output.publish(time.monotonic(), presented_s)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _pictures(self) -> Iterator[UInt8]:
        from edgeseg.demo.cells import render_clip

        scale = min(1.0, _SHORT_SIDE / min(self._height, self._width))
        small = (max(32, round(self._height * scale)), max(32, round(self._width * scale)))
        shown: list[UInt8] = []
        for picture, _ in render_clip(self._seed, _RENDERED, *small):
            shown.append(picture)
            yield picture
        while True:
            yield from shown[-2::-1]
            yield from shown[1:]
