"""The files of one recording in their folder: names, what a killed run left, and how much is kept.

::

    NAME.mkv                                a whole recording
    NAME-1.mkv                              another one; or what a killed run left
    NAME-000123-20261125T221530Z.mkv        a segment: counted, so that a wrong clock does not change the order
    NAME[-...].partial.mkv                  being written
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edgeseg.console.extras import require
from edgeseg.console.quantities import format_bytes
from edgeseg.errors import OutputError
from edgeseg.files.atomic import writing
from edgeseg.files.lock import find_unclaimed
from edgeseg.runtime.recording.append_only_file import NoRoom

_STAMP = r"\d{8}T\d{6}Z"
SEGMENT_ADDS_BYTES = 80
"""What a name gets beside what was asked for: camera (41), number (8), time (17), ``.partial`` (8) and a bit."""
_STUB_BYTES = 1 << 16
_BEGINS_WITH = 0.1
"""A whole recording begins where so much of what is kept is free; with less it would be tried again and again, for a
second's worth each time."""

Say = Callable[..., object]
"""``say(kind, message, reason="", **facts)``"""


def partial_path(target: Path) -> Path:
    """Name ``target`` as it is called while it is written."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")


def utc_now() -> datetime.datetime:
    """Read the wall clock, which may be wrong; it only labels."""
    return datetime.datetime.now(datetime.timezone.utc)


class RecordingFolder:
    """The files of one recording.

    Args:
        path: folder, name and ending of all of them.
        segmented: True for counted segments.
        keep_bytes: delete the oldest finished segments rather than hold more than this. Whole recordings are never
            deleted: with those of this name that are there already there is no room for more.
        say: takes what was done.
    """

    def __init__(self, path: Path, segmented: bool, keep_bytes: int | None, say: Say) -> None:
        self._path = path
        self._segmented = segmented
        self._keep_bytes = keep_bytes
        self._say = say
        self._finished: deque[tuple[Path, int]] = deque()
        self._finished_bytes = 0
        self._said_too_large = False
        name, ending = re.escape(path.stem), re.escape(path.suffix)
        self._segment = re.compile(rf"{name}-(\d{{6,}})-{_STAMP}(?:-\d+)?(\.partial)?{ending}")
        self._whole = re.compile(rf"{name}(?:-\d+)?{ending}")
        self._leftover = re.compile(rf"{name}(?:-\d+(?:-{_STAMP}(?:-\d+)?)?)?\.partial{ending}")

    def salvage(self) -> None:
        """Give what a killed run left its final name; what has no picture in it is removed."""
        with writing(self._path):
            if not self._path.parent.exists():
                return
            found = sorted(p for p in self._path.parent.iterdir() if self._leftover.fullmatch(p.name))
            for partial in found:
                with find_unclaimed(partial) as is_leftover:
                    if is_leftover:
                        self._salvage(partial)

    def new_target(self, overwrite: bool) -> Path:
        """Choose the final name of the next file.

        Args:
            overwrite: True to replace a finished recording, which is not for segments.

        Raises:
            OutputError: another run is writing it; or there is room for next to nothing.
        """
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._segmented:
                return self._new_segment()
            if not overwrite:
                whole = [path for path in self._path.parent.iterdir() if self._whole.fullmatch(path.name)]
                self._finished_bytes = sum(path.stat().st_size for path in whole)
        if not overwrite:
            try:
                self._check_room(round(_BEGINS_WITH * (self._keep_bytes or 0)))
            except NoRoom as error:
                raise OutputError(str(error)) from error
            return _free(self._path, 0)
        if partial_path(self._path).exists():
            raise OutputError(
                f"{partial_path(self._path)} is being written by another run. Choose another output path."
            )
        return self._path

    def make_room(self, size: int) -> None:
        """Delete the oldest before the file that is written has ``size`` bytes and all together are too many.

        Raises:
            NoRoom: they are no segments, of which the oldest could go.
            OSError: one cannot be deleted.
        """
        if self._keep_bytes is None:
            return
        if not self._segmented:
            self._check_room(size)
            return
        while self._finished and self._finished_bytes + size > self._keep_bytes:
            self._delete_oldest(self._keep_bytes)
        if size > self._keep_bytes and not self._said_too_large:
            self._said_too_large = True
            kept = format_bytes(self._keep_bytes)
            message = f"A single segment is larger than the {kept} that are kept. Make them shorter."
            self._say("recording", message, "too-large", bytes=size)

    def put(self, partial: Path, target: Path, size: int, overwrite: bool) -> Path:
        """Give a finished file its name; the name it got, which is another where ``target`` came into being."""
        if not overwrite and target.exists():
            target = _free(target, 1)
        with writing(target):
            partial.replace(target)
        if self._segmented:
            self._finished.append((target, size))
            self._finished_bytes += size
        return target

    def _check_room(self, size: int) -> None:
        if self._keep_bytes is not None and self._finished_bytes + size > self._keep_bytes:
            raise NoRoom(
                f"{self._path}, with what was recorded under its name before, has the {format_bytes(self._keep_bytes)} "
                "that are kept. Move it away, or record in segments, of which the oldest are deleted."
            )

    def _new_segment(self) -> Path:
        found = sorted(
            (int(match[1]), path, bool(match[2]))
            for path in self._path.parent.iterdir()
            if (match := self._segment.fullmatch(path.name))
        )
        finished = [path for _, path, is_partial in found if not is_partial]
        self._finished = deque((path, path.stat().st_size) for path in finished if path.exists())
        self._finished_bytes = sum(size for _, size in self._finished)
        self._said_too_large = False
        number = found[-1][0] + 1 if found else 1
        return self._path.with_name(f"{self._path.stem}-{number:06d}-{utc_now():%Y%m%dT%H%M%SZ}{self._path.suffix}")

    def _delete_oldest(self, keep_bytes: int) -> None:
        path, size = self._finished[0]
        path.unlink(missing_ok=True)
        self._finished.popleft()
        self._finished_bytes -= size
        message = f"Deleted {path}, the oldest, to keep within {format_bytes(keep_bytes)}."
        self._say("deleted", message, path=str(path), bytes=size)

    def _salvage(self, partial: Path) -> None:
        if partial.stat().st_size < _STUB_BYTES and not holds_pictures(partial):
            partial.unlink()
            return
        target = partial.with_name(partial.name.replace(".partial", "", 1))
        whole = target == self._path
        target = _free(target, 1 if whole or target.exists() else 0, own=partial)
        partial.rename(target)
        message = f"A run that was killed left {partial}; what it had recorded is {target} now."
        self._say("recording-salvaged", message, path=str(target), bytes=target.stat().st_size)


def holds_pictures(path: Path) -> bool:
    """Tell whether at least one picture can be read."""
    av = require("av")
    try:
        with av.open(str(path)) as container:
            return any(packet.size for packet in container.demux(video=0))
    except (av.error.FFmpegError, IndexError):
        return False


def _free(target: Path, first: int, own: Path | None = None) -> Path:
    """``target``, or it with the first free number from ``first``; 0 stands for no number."""
    for number in itertools.count(first):
        found = target.with_name(f"{target.stem}-{number}{target.suffix}") if number else target
        partial = partial_path(found)
        if not found.exists() and (partial == own or not partial.exists()):
            return found
    raise AssertionError("counting ends nowhere")
