"""Text files that say which pictures belong to which split, as Pascal VOC and others have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from edgeseg.files.input_file import read_text
from edgeseg.masks.class_folders import stem_of

SPLIT_OF = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Words for the usual splits."""
PLACES = ("ImageSets/Segmentation", "ImageSets", "splits", "lists", ".")


def read_split_lists(root: Path, places: Sequence[str] = PLACES) -> Mapping[str, tuple[str, ...]]:
    """Read ``train.txt``, ``val.txt`` and their like from the first place that has one: names without ending by split.

    A line names a picture by its name or its path; what follows a blank is not looked at. ``trainval.txt`` counts
    where there is neither of its parts, as ``train``; ``default.txt`` says no more than which pictures there are.

    Raises:
        DataError: such a file that is no text in UTF-8.
    """
    for place in places:
        found: dict[str, tuple[str, ...]] = {}
        for word, split in SPLIT_OF.items():
            if split not in found and (names := _read(root / place / f"{word}.txt")):
                found[split] = names
        if not {"train", "val"} & set(found) and (both := _read(root / place / "trainval.txt")):
            found = {"train": both, **found}
        if found:
            return found
    return {}


def read_default_list(root: Path) -> tuple[str, ...]:
    """Read the pictures of an export without splits; empty where there is no such list."""
    return _read(root / "ImageSets" / "Segmentation" / "default.txt")


def _read(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    lines = (line.strip() for line in read_text(path).split("\n"))
    return tuple(dict.fromkeys(name_in(line) for line in lines if line))


def name_in(line: str) -> str:
    """Return the name without folder and ending of the picture that a line of a list begins with.

    >>> name_in("/SegNet/CamVid/train/0001TP_006690.png /SegNet/CamVid/trainannot/0001TP_006690.png")
    '0001TP_006690'
    """
    words = line.split()
    first = words[0] if "/" in line or len(words) > 2 or words[-1].isdecimal() else line
    path = PurePosixPath(first.replace("\\", "/"))
    known = path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
    return stem_of(Path(path.name)) if known else stem_of(Path(f"{path.name}.png"))
