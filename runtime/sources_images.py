"""Image files as a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edgeseg.errors import DataError, SourceError
from edgeseg.image import read_image
from edgeseg.runtime.frame import Frame

FOLDER_FPS = 10.0


class ImageSource:
    """Images in the order given; one that cannot be read is reported, counted and left out.

    Args:
        paths: the files.
        name: what the user called the source.
        report: called with one sentence an unreadable file.
    """

    live = False
    stale = dropped = 0
    names = ()
    size: tuple[int, int] | None = None
    fps: float | None = FOLDER_FPS
    ended_early = False

    def __init__(self, paths: Sequence[Path], name: str, report: Callable[[str], object]) -> None:
        self._paths = list(paths)
        self._name = name
        self._report = report
        self.total: int | None = len(self._paths)
        self.skipped = 0

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        """Nothing waits here for longer than a picture takes."""

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            try:
                image = read_image(path)
            except DataError as error:
                self.skipped += 1
                self._report(f"skipped: {error}")
                continue
            yield Frame(image, index, time.monotonic(), self._name, path.name, index / FOLDER_FPS)
        if self.skipped == len(self._paths):
            raise SourceError(f"None of the {len(self._paths)} images of {self._name} could be read.")
