"""Archives, which exports come in: they are to be unpacked first."""

from __future__ import annotations

from pathlib import Path

from edgeseg.datasets.formats.labelled_set import LabelledSet, Reader, ReadOptions
from edgeseg.errors import DataError

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


def recognise(path: Path) -> bool:
    """Tell by its ending whether a file is an archive, or a folder holds nothing but archives."""
    if path.is_dir():
        inside = [entry for entry in path.iterdir() if not entry.name.startswith(".")][:100]
        return bool(inside) and all(entry.is_file() and recognise(entry) for entry in inside)
    return path.name.lower().endswith(_ENDINGS)


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Say that an archive has to be unpacked.

    Raises:
        DataError: always.
    """
    archive = path if path.is_file() else next(entry for entry in sorted(path.iterdir()) if entry.is_file())
    raise DataError(f"{archive} is an archive. Unpack it into a folder of its own, and give the folder.")


READER = Reader("archive", "archive", recognise, read)
