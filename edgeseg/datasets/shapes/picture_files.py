"""The pictures that annotations name: found in the data folder, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from edgeseg.errors import DataError
from edgeseg.files.image_files import is_image

MOST_FILES = 2_000_000
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_name(name: str) -> str | None:
    """Return the split that a word stands for: a folder's name, or the end of a file's; None for none.

    >>> split_name("valid"), split_name("instances_train2017"), split_name("a_drive")
    ('val', 'train', None)
    """
    word = name.rpartition("_")[2].rstrip("0123456789-").lower()
    return SPLIT_NAMES.get(name.lower()) or SPLIT_NAMES.get(word)


def name_inside(image: Path, root: Path) -> str:
    """Return a picture's name without its ending, from the folder on that holds the pictures of its split.

    >>> name_inside(Path("set/images/train/berlin/street.jpg"), Path("set"))
    'berlin/street'
    """
    folders = list(image.relative_to(root).parent.parts if image.is_relative_to(root) else ())
    while folders and (folders[0] in ("images", "img", "data") or split_name(folders[0])):
        folders.pop(0)
    return "/".join((*(name for name in folders if name != "images"), image.stem))


def split_inside(image: Path, root: Path) -> str | None:
    """Return the split that one of the folders between the data folder and a picture is called after."""
    folders = image.relative_to(root).parent.parts if image.is_relative_to(root) else ()
    return next((split for name in folders if (split := SPLIT_NAMES.get(name.lower()))), None)


def find_inside(root: Path, start: Path, name: str) -> Path | None:
    """Find a file that annotations name, without leaving the data folder.

    Args:
        root: the data folder.
        start: the folder that the name counts from.
        name: with slashes or backslashes; of an absolute one only the last part counts.

    Returns:
        The file; None where there is none, or where it lies outside of the folder or behind a link out of it.
    """
    clean = name.replace("\\", "/").strip()
    if not clean or "\0" in clean:
        return None
    parts = PurePosixPath(clean).parts
    if PurePosixPath(clean).is_absolute() or parts[0].endswith(":"):
        parts = parts[-1:]
    try:
        path = Path(os.path.normpath(start.joinpath(*parts)))
        inside = path.is_file() and path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        return None
    return path if inside else None


class PictureFiles:
    """The pictures below a data folder.

    Links to folders are not followed, and files behind a link that leads out of the folder are none of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def by_name(self) -> dict[str, list[Path]]:
        """All pictures by their file names.

        Raises:
            DataError: more than two million files.
        """
        found: dict[str, list[Path]] = {}
        real = self.root.resolve()
        for count, path in enumerate(_walk(self.root)):
            if count >= MOST_FILES:
                raise DataError(
                    f"{self.root} holds more than {MOST_FILES} files. Give a folder with the pictures alone."
                )
            if is_image(path) and (not path.is_symlink() or path.resolve().is_relative_to(real)):
                found.setdefault(path.name, []).append(path)
        return found

    @cached_property
    def by_stem(self) -> dict[str, list[Path]]:
        """All pictures by their file names without the ending."""
        found: dict[str, list[Path]] = {}
        for same in self.by_name.values():
            for path in same:
                found.setdefault(path.stem, []).append(path)
        return found

    def find(self, name: str, starts: Iterable[Path]) -> Path | None:
        """Find the picture that a file of annotations calls ``name``.

        Args:
            name: as the file has it.
            starts: folders that the name may count from, the likeliest first.

        Returns:
            The file: by its whole name in one of the folders, else the only one below the data folder whose path ends
            like it; None for none, or where several could be meant.
        """
        for start in starts:
            if (found := find_inside(self.root, start, name)) is not None:
                return found
        parts = PurePosixPath(name.replace("\\", "/")).parts
        same = self.by_name.get(parts[-1], []) if parts else []
        if len(same) > 1:
            same = [path for path in same if path.parts[-len(parts) :] == parts] or same
        return same[0] if len(same) == 1 else None


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))
