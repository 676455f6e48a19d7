"""Names for pictures that come from many folders and go into one."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from edgeseg.datasets.formats.labelled_set import LabelledPicture


def name_pictures(pictures: Sequence[LabelledPicture], default_split: str) -> list[str]:
    """Give each picture a file name without ending that no other of its split has, whatever the case of letters.

    The last part of its name where that is enough, else all of it, else a number behind it.
    """
    short = [picture.name.replace("\\", "/").rpartition("/")[2] for picture in pictures]
    splits = [picture.split or default_split for picture in pictures]
    often = Counter((split, _fold(name)) for split, name in zip(splits, short, strict=True))
    taken: set[tuple[str, str]] = set()
    names = []
    for split, name, picture in zip(splits, short, pictures, strict=True):
        wanted = name if often[split, _fold(name)] == 1 else picture.name.replace("\\", "/").replace("/", "__")
        names.append(_first_free(wanted, split, taken))
    return names


def _first_free(wanted: str, split: str, taken: set[tuple[str, str]]) -> str:
    name, number = wanted, 2
    while (split, _fold(name)) in taken:
        name, number = f"{wanted}-{number}", number + 1
    taken.add((split, _fold(name)))
    return name


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
