"""What the pipeline asks of a source of frames, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.handoff import FrameTaker

_Self = TypeVar("_Self")


class Source(Protocol):
    """An open source of frames; leaving the ``with`` block closes it."""

    @property
    def live(self) -> bool:
        """True when frames come whether or not they are read."""

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) in pixels where it is known before the first frame."""

    @property
    def fps(self) -> float | None:
        """Frames a second where known."""

    @property
    def total(self) -> int | None:
        """How many frames to expect, where known."""

    @property
    def skipped(self) -> int:
        """Damaged pictures left out so far."""

    @property
    def waiting(self) -> bool:
        """True when no frame is to be expected now.

        Every camera is known to be away and is being tried again, or what comes is not to be used.
        """

    @property
    def ended_early(self) -> bool:
        """True when a file stopped before its announced end."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the cameras, where there are several; what ``Frame.source`` says."""

    def __enter__(self: _Self) -> _Self: ...

    def __exit__(self, *_: object) -> None: ...

    def stop(self) -> None:
        """Let whoever waits for a frame go; from any thread."""

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the end.

        Raises:
            SourceError: the source failed and gives no more, or it is closed.
        """


@runtime_checkable
class Feeds(Source, Protocol):
    """A source that puts its frames into the place it is given, as they come."""

    def feed(self, taker: FrameTaker) -> None:
        """Put every frame into ``taker`` until the end or ``stop()``; from any number of threads.

        Raises:
            SourceError: the source failed and gives no more, or it is closed.
        """
