"""Image files as a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edgeseg.errors import DataError, SourceError
from edgeseg.files.image_files import about_unread
from edgeseg.image import read_timed_images
from edgeseg.runtime.frames.frame import Frame

FOLDER_FPS = 10.0


class ImageSource:
    """Images in the order given; one that cannot be read is reported, counted and left out.

    Of a file with several pictures, a TIFF of several pages or an animated PNG or WebP, every picture is a frame, at
    the time that an animation tells.

    Args:
        paths: the files.
        name: what the user called the source.
        report: called with one sentence an unreadable file.
        unread: pictures beside them of a kind that is not read; reported once and counted in ``skipped``.
        fps: pictures a second; None for :data:`FOLDER_FPS`, and for the times of animations.
        positions: when each file comes, in pictures from the first; None for one after the other.
    """

    live = False
    names = ()
    size: tuple[int, int] | None = None
    waiting = ended_early = False

    def __init__(
        self,
        paths: Sequence[Path],
        name: str,
        report: Callable[[str], object],
        unread: Sequence[Path] = (),
        fps: float | None = None,
        positions: Sequence[int] | None = None,
    ) -> None:
        self.fps: float | None = fps or FOLDER_FPS
        self._keeps_times = fps is None
        self._positions = positions
        self._paths = list(paths)
        self._name = name
        self._report = report
        self._unread = unread
        self.total: int | None = len(self._paths) + len(unread)
        self.skipped = 0
        self._closed = False

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True

    def stop(self) -> None:
        """Do nothing: nothing waits here for longer than a picture takes."""

    def __iter__(self) -> Iterator[Frame]:
        if self._unread:
            self.skipped += len(self._unread)
            self._report(f"{self._name}: {about_unread(self._unread)}")
        given = index = 0
        for at, path in enumerate(self._paths):
            begins_s = self._begin_s(at, index)
            try:
                for image, shown_s in read_timed_images(path):
                    if self._closed:
                        raise SourceError(f"{self._name} is closed; open it again to read it.")
                    yield Frame(image, index, time.monotonic(), self._name, path.name, begins_s)
                    begins_s += self._period_s if shown_s is None or not self._keeps_times else shown_s
                    given += 1
                    index += 1
            except DataError as error:
                self.skipped += 1
                index += 1
                self._report(f"skipped: {error}")
        if not given:
            raise SourceError(f"None of the {len(self._paths)} images of {self._name} could be read.")

    @property
    def _period_s(self) -> float:
        return 1 / (self.fps or FOLDER_FPS)

    def _begin_s(self, at: int, index: int) -> float:
        """When a file comes; behind an animation the next one comes as if each picture had been shown equally long."""
        return (index if self._positions is None else self._positions[at]) * self._period_s
