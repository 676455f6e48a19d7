"""When a file of lines is full, what it is called then, and how many of such are kept.

::

    NAME.jsonl                              being written
    NAME-000123-20261125T221530Z.jsonl      full: counted, so that a wrong clock does not change the order
"""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeseg.console.quantities import format_bytes
from edgeseg.errors import UserError

_STAMP = r"\d{8}T\d{6}Z"
PIECE_ADDS_BYTES = 26
_SHARE = 8
"""A file is full, at the latest, at this part of what is kept."""
_LONGEST_LINE = 1 << 16

Say = Callable[..., object]
"""``say(kind, message, reason="", **facts)``"""


@dataclass(frozen=True)
class Rotation:
    """When to begin a new file, and what to keep of the full ones.

    Attributes:
        every_s: after so much time; None for never.
        every_bytes: at this size; None for never.
        keep_bytes: delete the oldest full files rather than hold more; None to keep all.
    """

    every_s: float | None = None
    every_bytes: int | None = None
    keep_bytes: int | None = None

    def check(self) -> None:
        """Raise UserError for what cannot be meant."""
        if self.every_s is not None and self.every_s < 1:
            raise UserError(f"`jsonl_every` must be at least 1s; found {self.every_s:g}s.")
        if self.every_bytes and self.keep_bytes and 2 * self.every_bytes > self.keep_bytes:
            raise UserError(
                f"`jsonl_keep` deletes whole files, so it must be at least twice `jsonl_every`; "
                f"found {format_bytes(self.keep_bytes)} and {format_bytes(self.every_bytes)}."
            )

    @property
    def full_bytes(self) -> int | None:
        """The size at which a file is full."""
        if self.every_bytes is not None or self.keep_bytes is None:
            return self.every_bytes
        return self.keep_bytes // _SHARE


class Pieces:
    """The full files of one name.

    Args:
        path: folder, name and ending.
        rotation: checked.
        live: delete lines of cameras only, and not those of a file, which nobody can have again.
        say: takes ``deleted``.
    """

    def __init__(self, path: Path, rotation: Rotation, live: bool, say: Say) -> None:
        self._path, self._rotation, self._live, self._say = path, rotation, live, say
        self._due_s: float | None = None
        name, ending = re.escape(path.stem), re.escape(path.suffix)
        self._full = re.compile(rf"{name}-(\d{{6,}})-{_STAMP}{ending}")

    def begin(self, size: int) -> None:
        """Take note that a file of ``size`` bytes was opened."""
        every_s = self._rotation.every_s
        if every_s is not None:
            self._due_s = time.monotonic() + every_s - (min(_age_s(self._path), every_s) if size else 0.0)

    def is_full(self, size: int, added: int) -> bool:
        """Tell whether a file of ``size`` bytes is to be put aside before ``added`` more come."""
        if not size:
            return False
        limit = self._rotation.full_bytes
        is_due = self._due_s is not None and time.monotonic() >= self._due_s
        return is_due or (limit is not None and size + added > limit)

    def put_aside(self) -> None:
        """Give the file the name of a full one, and delete the oldest beyond what is kept.

        Raises:
            OSError: it cannot be renamed, or one cannot be deleted.
        """
        found = self._find()
        number = found[-1][0] + 1 if found else 1
        stamp = datetime.datetime.now(datetime.timezone.utc)
        target = self._path.with_name(f"{self._path.stem}-{number:06d}-{stamp:%Y%m%dT%H%M%SZ}{self._path.suffix}")
        self._path.rename(target)
        self._make_room([*(path for _, path in found), target])

    def _find(self) -> list[tuple[int, Path]]:
        names = ((self._full.fullmatch(path.name), path) for path in self._path.parent.iterdir())
        return sorted((int(match[1]), path) for match, path in names if match)

    def _make_room(self, paths: list[Path]) -> None:
        keep_bytes, limit = self._rotation.keep_bytes, self._rotation.full_bytes
        if keep_bytes is None or limit is None:
            return
        pieces = [(path, path.stat().st_size) for path in paths if _is_ours(path, self._live)]
        total = sum(size for _, size in pieces)
        for path, size in pieces:
            if total + limit <= keep_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
            message = f"Deleted {path}, the oldest, to keep within {format_bytes(keep_bytes)}."
            self._say("deleted", message, path=str(path), bytes=size)


def _is_ours(path: Path, live: bool) -> bool:
    """True for a plain file that begins with a line of a run, where ``live`` is asked of a live one."""
    if path.is_symlink() or not path.is_file():
        return False
    first = _first_line(path)
    return {"source", "index", "media_s"} <= first.keys() and (not live or first["media_s"] is None)


def _age_s(path: Path) -> float:
    """How long ago the first line was written, as far as the clock can be trusted."""
    try:
        began = datetime.datetime.fromisoformat(str(_first_line(path).get("time"))).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, time.time() - began)


def _first_line(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as stream:
            values = json.loads(stream.readline(_LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
