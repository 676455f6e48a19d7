"""Which frames of a source are used, and which part of them: ``--every --max-fps --rotate --roi``."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edgeseg.errors import SourceError, UserError
from edgeseg.image import UInt8
from edgeseg.runtime.events.event import Event, OnEvent, event_to_stderr
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.sources.source import Source

SAY_S = 60.0
_RECENT_S = 2.0
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


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
            raise UserError(f"--every must be at least 1; found {self.every}.")
        if self.max_fps is not None and not 0 < self.max_fps < float("inf"):
            raise UserError(f"--max-fps must be above 0; found {self.max_fps:g}.")


class SelectedSource:
    """A source of which only some frames, or a part of each, are used.

    A picture that is smaller than the region is refused, counted and said: what one camera sends, or one picture of a
    folder, ends nothing else. It is an error where nothing else is there: in a video, of the only camera before it
    gave a picture that fits, or when no picture of a folder did.

    Args:
        source: open; this closes it.
        selection: checked.
        on_event: called with what is refused: of a camera at first and then each :data:`SAY_S`.
    """

    def __init__(self, source: Source, selection: Selection, on_event: OnEvent = event_to_stderr) -> None:
        self._source, self._selection, self._on_event = source, selection, on_event
        self._refused: dict[str, int] = {}
        self._said_s: dict[str, float] = {}
        self._fits = False
        self._passed_over_s = float("-inf")
        self._blocks: dict[str, int] = {}
        self._due_s: dict[str, float] = {}

    live = property(lambda self: self._source.live)
    skipped = property(lambda self: self._source.skipped + sum(self._refused.values()))
    stale = property(lambda self: self._source.stale)
    dropped = property(lambda self: self._source.dropped)
    ended_early = property(lambda self: self._source.ended_early)
    names = property(lambda self: self._source.names)

    @property
    def waiting(self) -> bool:
        """Whether the source waits, or its frames were passed over a moment ago."""
        return self._source.waiting or time.monotonic() - self._passed_over_s < _RECENT_S

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) after rotation and cropping; None while the source does not know its own."""
        size = self._source.size
        if size is None or (self._selection.region is None and self._selection.rotate in (0, 180)):
            return size
        if (region := self._selection.region) is not None:
            return region.height, region.width
        return size[1], size[0]

    @property
    def fps(self) -> float | None:
        """Frames a second that pass; None when neither the source nor the selection tells."""
        fps = self._source.fps
        if fps is None:
            return self._selection.max_fps
        return min(fps / self._selection.every, self._selection.max_fps or fps)

    @property
    def total(self) -> int | None:
        """How many frames will pass; None when the source does not know."""
        total, whole, fps = self._source.total, self._source.fps, self.fps
        return None if total is None or not whole or not fps else math.ceil(total * fps / whole - 1e-9)

    def __enter__(self) -> SelectedSource:
        self._source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._source.__exit__(*error)

    def stop(self) -> None:
        """Stop the source."""
        self._source.stop()

    def __iter__(self) -> Iterator[Frame]:
        error: SourceError | None = None
        for frame in self._source:
            if not self._wants(frame):
                self._passed_over_s = time.monotonic()
                continue
            try:
                part = self._part(frame)
            except SourceError as misfit:
                if not self._may_refuse(frame):
                    raise
                error = misfit
                self._refuse(frame, misfit)
                continue
            self._fits = True
            yield dataclasses.replace(frame, image=part)
        if error is not None and not self._fits and not self.live:
            raise error

    def _may_refuse(self, frame: Frame) -> bool:
        return self._fits or len(self.names) > 1 if self.live else bool(frame.name)

    def _refuse(self, frame: Frame, error: SourceError) -> None:
        count = self._refused[frame.source] = self._refused.get(frame.source, 0) + 1
        self._passed_over_s = now_s = time.monotonic()
        if self.live and now_s - self._said_s.get(frame.source, -SAY_S) < SAY_S:
            return
        self._said_s[frame.source] = now_s
        message = f"refused: {error} The rest goes on; {count} refused so far."
        self._on_event(Event("refused", frame.name or frame.source, message, "region", {"refused": count}))

    def _wants(self, frame: Frame) -> bool:
        """The first frame of each block of ``every``, unless it comes too early for ``max_fps``."""
        block = frame.index // self._selection.every
        if self._blocks.get(frame.source) == block:
            return False
        if self._selection.max_fps is not None and not self._is_due(frame, 1 / self._selection.max_fps):
            return False
        self._blocks[frame.source] = block
        return True

    def _is_due(self, frame: Frame, period_s: float) -> bool:
        now_s = frame.time_s if frame.media_s is None else frame.media_s
        due_s = self._due_s.get(frame.source, now_s)
        if now_s < due_s - 1e-6:
            return False
        self._due_s[frame.source] = (due_s if now_s - due_s < period_s else now_s) + period_s
        return True

    def _part(self, frame: Frame) -> UInt8:
        image = frame.image
        if turn := self._selection.rotate:
            image = np.asarray(cv2.rotate(image, TURNS[turn]), np.uint8)
        if (region := self._selection.region) is None:
            return image
        height, width = image.shape[:2]
        if region.x + region.width > width or region.y + region.height > height:
            raise SourceError(
                f"--roi {region.x},{region.y},{region.width},{region.height} reaches beyond the picture: "
                f"{frame.name or frame.source} gives {width}x{height} pixels. Choose a region inside it."
            )
        return image[region.y : region.y + region.height, region.x : region.x + region.width]
