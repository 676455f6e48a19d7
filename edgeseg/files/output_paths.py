"""Which files a job reads, and that it writes over none of them, whatever they are called."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeseg.errors import OutputError
from edgeseg.files.image_files import is_image

Identity = tuple[int, int, str]


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over what is read, or twice to the same file.

    Files are told apart by what they are and not by their names: links, mounts, relative paths and file systems that
    know no capitals make no difference. Devices and pipes may be named as often as one likes.

    Args:
        outputs: files that are going to be written, or folders that are going to be replaced.
        inputs: files that are read; of a folder, all that lies in it.

    Raises:
        OutputError: an output is an input, lies in one, holds one, or is another output.
    """
    inputs = [path for path in inputs if path.exists()]
    folders = {identity: path for path in inputs if path.is_dir() and (identity := file_identity(path))}
    inside = [path for folder in folders.values() for path in folder.iterdir()]
    files = {identity: path for path in [*inputs, *inside] if (identity := file_identity(path))}
    seen: dict[Identity, Path] = {}
    for path in outputs:
        identity = file_identity(path)
        if identity is None:
            continue
        if identity in files:
            raise OutputError(_read_here(path, files[identity]))
        if found := next((folders[each] for each in _parent_folders(path) if each in folders), None):
            raise OutputError(f"{path} lies in {found}, which is read here. Choose another output path.")
        if path.is_dir() and (held := next((each for each in inputs if identity in _parent_folders(each)), None)):
            raise OutputError(f"{path} holds {held}, which is read here. Choose another output path.")
        if identity in seen:
            raise OutputError(f"Two outputs are one file: {seen[identity]} and {path}. Choose another for one of them.")
        seen[identity] = path


def picture_folders(data: Path | None) -> list[Path]:
    """List the folders of a data folder in which every picture counts as data; nothing else belongs there."""
    if data is None or not data.is_dir():
        return []
    if any(is_image(entry) for entry in data.iterdir()):
        return [data]
    return [folder for folder in (data / "images", data / "masks") if folder.is_dir()]


def file_identity(path: Path) -> Identity | None:
    """Tell what ``path`` is, also where it is still to be made; None for a device or a pipe, which hold nothing."""
    place, rest = os.fspath(path), ""
    while True:
        try:
            status = os.stat(place)
        except OSError:
            place = place if rest else os.path.realpath(place)
            parent = os.path.dirname(place)
            if parent == place:
                return None
            place, rest = parent, f"{os.path.basename(place)}/{rest}"
            continue
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            return None
        return status.st_dev, status.st_ino, unicodedata.normalize("NFC", rest).casefold()


def is_same(first: Path, second: Path) -> bool:
    """Tell whether two names are of one file or folder."""
    identity = file_identity(first)
    return identity is not None and identity == file_identity(second)


def _parent_folders(path: Path) -> Iterator[Identity]:
    for folder in Path(os.path.realpath(path)).parents:
        if (identity := file_identity(folder)) is not None:
            yield identity


def _read_here(path: Path, known_as: Path) -> str:
    alias = "" if path == known_as else f", which is {known_as},"
    return f"{path}{alias} is read here and would be written over. Choose another output path."
