"""The masks of one run in one folder: their names, and how many of them are kept."""

from __future__ import annotations

import datetime
import glob
import hashlib
import itertools
import os
import re
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edgeseg.console.quantities import format_bytes
from edgeseg.files.image_files import is_image
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.sinks.mask_file import (
    create,
    longest_name_bytes,
    mark_origin,
    origin_in,
    replace,
    shorten,
)

_ENDING = ".png"
_COUNTED = re.compile(r"(?:\d{8}T\d{6}Z-(?:\d+-)?)?\d{6,}\.png")
_LIVE_MARK = "live-"
_BLOCK = 4096
"""A file takes whole blocks of the disk."""
_TELL_EVERY_S = 60.0

Say = Callable[..., object]
"""``say(kind, message, reason="", **facts)``"""


class MaskFolder:
    """Puts masks into a folder, none of them over a file of another picture, run or program.

    Args:
        folder: made with the first mask.
        origin: of the masks; see :func:`mask_origin`.
        live: True to leave masks of earlier runs alone: where there are any, names begin with the time of this run.
            Else a mask of the same origin and name is replaced, so that a run can be repeated.
        keep_bytes: delete the oldest masks of live runs rather than hold more; None to keep all.
        say: takes ``deleted`` and ``note``.
        frames: a folder for a frame with each mask, of the mask's name; None for none.
    """

    def __init__(
        self, folder: Path, origin: str, live: bool, keep_bytes: int | None, say: Say, frames: Path | None = None
    ) -> None:
        self._folder, self._live, self._frames = folder, live, frames
        self._origin = f"{_LIVE_MARK}{origin}" if live else origin
        self._keep_bytes, self._say = keep_bytes, say
        self._prefix: str | None = None
        self._frame: bytes | None = None
        self._room = 255
        self._taken: set[str] = set()
        self._kept: deque[tuple[str, int]] = deque()
        self._kept_bytes = 0
        self._deleted, self._told_s = 0, float("-inf")
        self._has_noted = False

    def put(self, name: str, index: int, png: bytes, frame: bytes | None = None) -> Path:
        """Write the mask of the frame ``index``, which may have a ``name``, and the frame; where the mask lies now.

        Raises:
            OSError: it cannot be written.
        """
        if self._prefix is None:
            self._begin()
        data = mark_origin(png, self._origin)
        self._frame = None if frame is None or self._frames is None else mark_origin(frame, self._origin)
        size = _on_disk(len(data)) + _on_disk(len(self._frame or b""))
        self._make_room(size)
        target = self._put_new(f"{index:06d}", data) if self._live else self._put_again(name, index, data)
        if self._keep_bytes is not None:
            self._kept.append((target.name, size))
            self._kept_bytes += size
        return target

    def _begin(self) -> None:
        for folder in (self._folder, self._frames):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        self._room = longest_name_bytes(self._folder) - len(_ENDING)
        names = os.listdir(self._folder)
        if self._keep_bytes is not None:
            self._count(name for name in names if _COUNTED.fullmatch(name))
        is_used = self._live and any(name.endswith(_ENDING) for name in names)
        self._prefix = _new_prefix(names) if is_used else ""

    def _put_new(self, stem: str, data: bytes) -> Path:
        while True:
            target = self._folder / f"{self._prefix}{stem}{_ENDING}"
            if self._put_frame(target.name) and create(target, data):
                return target
            self._prefix = _new_prefix(os.listdir(self._folder))  # another run had the same idea at the same time

    def _put_again(self, name: str, index: int, data: bytes) -> Path:
        """Two images may differ in their ending only, or come from two folders."""
        for stem in self._stems(name, index):
            target = self._folder / f"{stem}{_ENDING}"
            key = unicodedata.normalize("NFC", target.name).casefold()
            if key in self._taken or not self._put_frame(target.name):
                continue
            if not create(target, data):
                if origin_in(target) != self._origin or target.is_symlink():
                    self._note_foreign(target)
                    continue
                replace(target, data)
            self._taken.add(key)
            return target
        raise AssertionError("counting ends nowhere")

    def _put_frame(self, name: str) -> bool:
        """Write the frame of the mask ``name``, where there is one; False where somebody else has that name."""
        if self._frame is None or self._frames is None:
            return True
        target = self._frames / name
        if create(target, self._frame):
            return True
        if self._live or origin_in(target) != self._origin or target.is_symlink():
            self._note_foreign(target)
            return False
        replace(target, self._frame)
        return True

    def _stems(self, name: str, index: int) -> Iterator[str]:
        number = f"{index:06d}"
        if not name:
            yield number
        stem = Path(name).stem or "mask"
        if name:
            yield shorten(stem, self._room)
            yield f"{shorten(stem, self._room - 1 - len(number))}_{number}"
        for count in itertools.count(1):
            ending = f"_{number}_{count}"
            yield f"{shorten(stem, self._room - len(ending))}{ending}"

    def _note_foreign(self, target: Path) -> None:
        if not self._has_noted:
            self._has_noted = True
            message = f"{target} is there and is not a mask of this source. It stays, and masks get other names."
            self._say("note", message, path=str(target))

    def _count(self, names: Iterable[str]) -> None:
        """Take in the masks that are there, the oldest first as far as the clock can be trusted."""
        found: list[tuple[int, str, int]] = []
        for name in names:
            try:
                status = os.lstat(self._folder / name)
            except OSError:
                continue
            found.append((status.st_mtime_ns, name, _on_disk(status.st_size) + self._frame_size(name)))
        self._kept = deque((name, size) for _, name, size in sorted(found))
        self._kept_bytes = sum(size for _, size in self._kept)

    def _make_room(self, size: int) -> None:
        if self._keep_bytes is None:
            return
        while self._kept and self._kept_bytes + size > self._keep_bytes:
            name, gone = self._kept.popleft()
            self._kept_bytes -= gone
            path = self._folder / name
            if self._may_delete(path):
                path.unlink(missing_ok=True)
                if self._frames is not None and self._may_delete(self._frames / name):
                    (self._frames / name).unlink(missing_ok=True)
                self._tell_deleted(path)

    def _frame_size(self, name: str) -> int:
        try:
            return 0 if self._frames is None else _on_disk(os.lstat(self._frames / name).st_size)
        except OSError:
            return 0

    def _may_delete(self, path: Path) -> bool:
        """True for masks of cameras, and where somebody limits those of files, for those too; never for other files."""
        origin = origin_in(path)
        return origin is not None and not path.is_symlink() and (not self._live or origin.startswith(_LIVE_MARK))

    def _tell_deleted(self, path: Path) -> None:
        """Now and then: it happens with each mask."""
        self._deleted += 1
        now_s = time.monotonic()
        if now_s - self._told_s < _TELL_EVERY_S:
            return
        message = f"Deleted {path} and with it {self._deleted} of the oldest masks, to keep within "
        self._say("deleted", f"{message}{format_bytes(self._keep_bytes or 0)}.", path=str(path), files=self._deleted)
        self._deleted, self._told_s = 0, now_s


def mask_origin(source: str) -> str:
    """Digest where pictures come from: of the folder of images, whichever way it was named, else of the source."""
    place = source
    if os.path.exists(source):
        place = os.path.realpath(source)
        if os.path.isfile(place) and is_image(Path(place)):
            place = os.path.dirname(place)
    elif glob.has_magic(source) and "://" not in source:
        folder = os.path.dirname(source)
        place = os.path.abspath(source) if glob.has_magic(folder) else os.path.realpath(folder or ".")
    return hashlib.sha256(os.fsencode(redact(place))).hexdigest()[:16]


def _new_prefix(names: Iterable[str]) -> str:
    """The time of this run (UTC), with a number where a run of the same second has left masks."""
    stamp = f"{datetime.datetime.now(datetime.timezone.utc):%Y%m%dT%H%M%SZ}-"
    used = {match[0] for name in names if (match := re.match(rf"{stamp}(?:\d+-)?", name))}
    numbered = (f"{stamp}{number}-" for number in itertools.count(1))
    return next(prefix for prefix in itertools.chain([stamp], numbered) if prefix not in used)


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
