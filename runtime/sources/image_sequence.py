"""Numbered pictures by a pattern, ``frame_%04d.png``, and the order in which people number them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edgeseg.errors import SourceError
from edgeseg.files.image_files import is_image

_NUMBER = re.compile(r"%(0\d{1,2})?d")
_MOST_SAID = 5


@dataclass(frozen=True)
class ImageSequence:
    """The pictures of a pattern, in the order of their numbers.

    Attributes:
        paths: the files.
        numbers: of each.
        step: from one number to the next where none is missing.
    """

    paths: Sequence[Path]
    numbers: Sequence[int]
    step: int

    @property
    def positions(self) -> list[int]:
        """Where each picture is in the sequence, from 0, as if none were missing."""
        return [(number - self.numbers[0]) // self.step for number in self.numbers]

    @property
    def gaps(self) -> str:
        """Which numbers are missing, as a sentence; empty where none is."""
        missing = [(a + self.step, b - self.step) for a, b in pairwise(self.numbers) if b - a > self.step]
        if not missing:
            return ""
        count = sum((last - first) // self.step + 1 for first, last in missing)
        runs = [str(first) if first == last else f"{first} to {last}" for first, last in missing]
        said = ", ".join(runs[:_MOST_SAID]) + (f" and {len(runs) - _MOST_SAID} more gaps" if len(runs) > 5 else "")
        return f"{count} of {self.positions[-1] + 1} pictures are missing: {said}. The one before each is shown longer."


def is_sequence(text: str) -> bool:
    """Tell whether a source is a pattern of numbered pictures.

    >>> is_sequence("shots/frame_%04d.png"), is_sequence("shots/100%.png"), is_sequence("rtsp://cam/%04d.png")
    (True, False, False)
    """
    path = Path(text)
    return "://" not in text and len(_NUMBER.findall(path.name)) == 1 and not path.exists()


def find_sequence(text: str) -> ImageSequence:
    """List the pictures of a pattern; their numbers may begin anywhere and go on in steps.

    Raises:
        SourceError: none is there, or what is numbered is no picture.
    """
    path = Path(text)
    found = _NUMBER.search(path.name)
    if found is None or not is_image(path):
        raise SourceError(f"{text!r} is no pattern of numbered pictures, such as frame_%04d.png.")
    before, after = path.name[: found.start()], path.name[found.end() :]
    digits = rf"\d{{{int(found[1])},}}" if found[1] else r"0|[1-9]\d*"
    name = re.compile(f"{re.escape(before)}({digits}){re.escape(after)}")
    listed = sorted(
        (int(each[1]), entry) for entry in _entries(path.parent, text) if (each := name.fullmatch(entry.name))
    )
    if not listed:
        raise SourceError(f"No picture has a name like {text!r}. {_nearest(path, before, after)}")
    numbers = [number for number, _ in listed]
    step = math.gcd(*(b - a for a, b in pairwise(numbers))) or 1
    return ImageSequence([entry for _, entry in listed], numbers, step)


def _entries(folder: Path, text: str) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{text!r}: the folder {folder} cannot be read ({error.strerror}).") from None


def _nearest(path: Path, before: str, after: str) -> str:
    """What would match in the same folder, where only the number of digits differs."""
    name = re.compile(f"{re.escape(before)}\\d+{re.escape(after)}")
    found = next((entry.name for entry in sorted(path.parent.iterdir()) if name.fullmatch(entry.name)), None)
    if found is None:
        return f"{path.parent} holds none whose name begins and ends so."
    digits = len(found) - len(before) - len(after)
    return f"{found} is there: is {before}%0{digits}d{after} meant?"


def natural_order(paths: Sequence[Path]) -> list[Path]:
    """List files in the order in which people number them, ``frame2`` before ``frame10``.

    >>> [path.name for path in natural_order([Path("f10.png"), Path("f2.png"), Path("a.png")])]
    ['a.png', 'f2.png', 'f10.png']
    """
    return sorted(paths, key=lambda path: (_natural_key(str(path)), str(path)))


def _natural_key(name: str) -> list[tuple[str, int]]:
    """The text before each number, and the number."""
    pieces = re.split(r"(\d+)", name)
    return [(pieces[at], int(pieces[at + 1]) if at + 1 < len(pieces) else -1) for at in range(0, len(pieces), 2)]
