"""A source of which some frames, or a part of each, are used."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import cv2
import numpy as np

from edgeseg.errors import SourceError
from edgeseg.image import UInt8
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.events.event import Event, OnEvent, event_to_stderr
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.handoff import FrameTaker
from edgeseg.runtime.frames.source_protocol import Feeds, Source
from edgeseg.runtime.sources.images import FOLDER_FPS
from edgeseg.runtime.sources.kind import VIDEO
from edgeseg.runtime.sources.paced import PacedSource
from edgeseg.runtime.sources.selection import Selection
from edgeseg.runtime.sources.settings import SourceSettings
from edgeseg.runtime.sources.source import Report, open_source, report_to_stderr
from edgeseg.runtime.system.address_space import check_address_space

SHOWN_S = 2.0
"""How long a window shows each image of a folder."""
SAY_S = 60.0
_RECENT_S = 2.0
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


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
        self._misfit: SourceError | None = None
        self._passed_over_s = float("-inf")
        self._blocks: dict[str, int] = {}
        self._due_s: dict[str, float] = {}

    live = property(lambda self: self._source.live)
    skipped = property(lambda self: self._source.skipped + sum(self._refused.values()))
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
        for frame in self._source:
            if (chosen := self.choose(frame)) is not None:
                yield chosen
        if self._misfit is not None and not self._fits and not self.live:
            raise self._misfit

    def choose(self, frame: Frame) -> Frame | None:
        """Cut out the part of a frame that is used; return None where it is not used at all.

        Raises:
            SourceError: the region does not lie inside it, and nothing else is there.
        """
        if not self._wants(frame):
            self._passed_over_s = time.monotonic()
            return None
        try:
            part = self._part(frame)
        except SourceError as misfit:
            if not self._may_refuse(frame):
                raise
            self._misfit = misfit
            self._refuse(frame, misfit)
            return None
        self._fits = True
        return frame if part is None else _with_image(frame, part)

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

    def _part(self, frame: Frame) -> UInt8 | None:
        """Cut and turn the picture; None where it is used as it is, which needs not be converted for that."""
        if not self._selection.rotate and self._selection.region is None:
            return None
        image = frame.image
        if turn := self._selection.rotate:
            image = np.asarray(cv2.rotate(image, TURNS[turn]), np.uint8)
        if (region := self._selection.region) is None:
            return image
        height, width = image.shape[:2]
        if region.x + region.width > width or region.y + region.height > height:
            raise SourceError(
                f"`roi=({region.x}, {region.y}, {region.width}, {region.height})` reaches beyond the picture: "
                f"{frame.name or frame.source} gives {width}x{height} pixels. Choose a region inside it."
            )
        return image[region.y : region.y + region.height, region.x : region.x + region.width]


def _with_image(frame: Frame, image: UInt8) -> Frame:
    return Frame(image, frame.index, frame.time_s, frame.source, frame.name, frame.media_s, frame.pts_s)


class SelectedFeed(SelectedSource):
    """A selected source whose frames come by themselves: each is chosen before it takes anybody's place.

    Args: see :class:`SelectedSource`.
    """

    def __init__(self, source: Feeds, selection: Selection, on_event: OnEvent = event_to_stderr) -> None:
        super().__init__(source, selection, on_event)
        self._feeds = source
        self._failure: SourceError | None = None
        self._taker: FrameTaker | None = None

    def feed(self, taker: FrameTaker) -> None:
        """Put what is chosen into ``taker`` until the end or :meth:`stop`.

        Raises:
            SourceError: the source failed and gives no more, or no picture of it fits.
        """
        self._taker = taker
        self._feeds.feed(self)
        if self._failure is not None:
            raise self._failure

    def put(self, item: Frame) -> bool:
        """Pass on what is chosen of a frame."""
        assert self._taker is not None
        try:
            chosen = self.choose(item)
        except SourceError as error:
            self._failure = error
            self.stop()
            return False
        return chosen is None or self._taker.put(chosen)

    def lose(self, dropped: int = 0, stale: int = 0) -> None:
        """Pass on how many frames were lost before they could be chosen."""
        assert self._taker is not None
        self._taker.lose(dropped, stale)


def open_selected(
    settings: SourceSettings,
    report: Report = report_to_stderr,
    on_event: OnEvent = event_to_stderr,
    paced: bool = False,
) -> Source:
    """Open the source of a run, or the part of it that is asked for.

    Args:
        settings: of the run.
        report: called with one sentence a damaged picture.
        on_event: called with what happens to live cameras.
        paced: give files at the rate that they were made for, images one each :data:`SHOWN_S`.

    Raises:
        SourceError: nothing there, nothing readable in it, or a kind that is not supported.
        EnvironmentFault: this system lacks what the address needs, or the memory.
    """
    # Who is asked seldom may be silent for as long as that, and then for the time-out.
    timeout_s = settings.timeout_s + (1 / settings.fps if settings.fps and settings.live else 0.0)
    limits = Limits(timeout_s, max(timeout_s, Limits.open_timeout_s), trust=settings.trust)
    source = open_source(settings.source, report, on_event, limits, settings.fps)
    if source.live:
        check_address_space(len(source.names))
    if settings.selection != Selection():
        chosen = (settings.selection, on_event)
        source = SelectedFeed(source, *chosen) if isinstance(source, Feeds) else SelectedSource(source, *chosen)
    if paced and not source.live:
        has_rate = settings.kind == VIDEO or settings.fps is not None
        return PacedSource(source, 1.0 if has_rate else SHOWN_S * FOLDER_FPS)
    return source
