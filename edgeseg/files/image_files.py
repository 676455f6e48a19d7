"""Which files are images: in a folder, or by a pattern."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from edgeseg.errors import DataError
from edgeseg.files.image_bytes import IMAGE_SUFFIXES, UNREAD_SUFFIXES


def is_image(path: Path) -> bool:
    """Tell by its ending whether a file is an image that edgeseg reads.

    >>> is_image(Path("road.JPG")), is_image(Path("road.mp4"))
    (True, False)
    """
    return path.suffix.lower() in IMAGE_SUFFIXES


def list_images(folder: Path) -> list[Path]:
    """List image files directly in ``folder``, sorted by name.

    Raises:
        DataError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    found = sorted(p for p in folder.iterdir() if is_image(p) and not p.name.startswith("."))
    if not found:
        others = about_unread(unread_pictures(folder))
        raise DataError(f"No images in {folder}; {_known_endings()}.{_about_below(folder)}{others and ' ' + others}")
    return found


def _about_below(folder: Path) -> str:
    """Which folder below holds images, where this one holds none."""
    below = (path for path in sorted(folder.iterdir()) if path.is_dir() and any(map(is_image, path.iterdir())))
    found = next(below, None)
    return f" Those of {found.name}/ and other folders in it are not looked at: put them into one." if found else ""


def match_images(pattern: str, advice: str = "") -> list[Path]:
    """List image files that a glob matches, sorted; ``**`` is any number of folders.

    Args:
        pattern: such as ``photos/*.png``.
        advice: a sentence that ends the message when there is none.

    Raises:
        DataError: no image matches.
    """
    found = _match(pattern)
    images = [path for path in found if is_image(path)]
    if not images:
        text = f"{pattern!r} matches {len(found)} files and no image; {_known_endings()}. {advice}"
        raise DataError(text.rstrip())
    return images


def match_unread(pattern: str) -> list[Path]:
    """List pictures that a glob matches and :func:`match_images` leaves out, because of their kind."""
    return [path for path in _match(pattern) if path.suffix.lower() in UNREAD_SUFFIXES]


def unread_pictures(folder: Path) -> list[Path]:
    """List picture files directly in ``folder`` that :func:`list_images` leaves out, because of their kind."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in UNREAD_SUFFIXES and not p.name.startswith("."))


def about_unread(paths: Sequence[Path]) -> str:
    """Say how many pictures were left out and which; empty for none."""
    if not paths:
        return ""
    names = ", ".join(path.name for path in paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
    return f"Left out, {len(paths)} pictures of a kind that is not read: {names}. Convert them to PNG."


def _match(pattern: str) -> list[Path]:
    return sorted(Path(name) for name in glob.glob(pattern, recursive=True))


def _known_endings() -> str:
    return f"known endings are {', '.join(sorted(IMAGE_SUFFIXES))}"
