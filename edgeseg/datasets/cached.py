"""A data folder of another format, converted once into the private cache and found there again.

The folder in the cache is named by a digest of what was read: the name, size and time of every file, the format and
what a person said about it. Pictures in it are links; masks are PNG files of indices.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from edgeseg.console.progress import Progress, no_progress
from edgeseg.datasets.convert import write_dataset
from edgeseg.datasets.formats.labelled_set import VOID, Reader, ReadOptions
from edgeseg.errors import EnvironmentFault
from edgeseg.files.cache_folder import cache_folder, private_folder
from edgeseg.masks.mask_values import IGNORE, GivenValues

FORM = 2
"""Counts up when the same files would be converted to something else."""
FOLDER = "datasets"
DIGITS = 32


def convert_into_cache(path: Path, reader: Reader, options: ReadOptions, progress: Progress = no_progress) -> Path:
    """Convert a data folder into the cache, unless it lies there already; returns the folder in our layout.

    Raises:
        DataError: see :func:`~edgeseg.datasets.convert.write_dataset`.
        EnvironmentFault: no cache folder that is private.
    """
    place = cache_folder(FOLDER) / digest_data(path, reader, options)
    try:
        private_folder(place.parent)
    except (OSError, EnvironmentFault) as error:
        raise EnvironmentFault(
            f"{path} is converted into the cache before it is used, and there is none: {error} Or write it once with "
            f"`edgeseg.convert_dataset({str(path)!r}, out=OUT)`."
        ) from None
    if not place.is_dir():
        write_dataset(reader.read(path, options), place, link=True, progress=progress)
    return place


def digest_data(path: Path, reader: Reader, options: ReadOptions) -> str:
    """Digest what a conversion depends on: 32 hex digits."""
    digest = hashlib.sha256(f"{FORM} {reader.name} {options!r} {path.resolve()}".encode("utf-8", "surrogateescape"))
    if path.is_file():
        status = path.stat()
        digest.update(f"{status.st_size}\0{status.st_mtime_ns}".encode())
    for name, size, time_ns in _list_files(reader.find_root(path)):
        digest.update(f"\n{name}\0{size}\0{time_ns}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:DIGITS]


def _list_files(root: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of every file below a folder, in a stable order."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            try:
                status = os.stat(os.path.join(folder, name))
            except OSError:
                continue
            yield os.path.relpath(os.path.join(folder, name), root), status.st_size, status.st_mtime_ns


def join_void(given: GivenValues | None, ignore_index: int | None) -> GivenValues | None:
    """Say with ``mask_values`` what ``ignore_index`` says; 255 is void in all that is converted.

    >>> join_void("255=road", 7), join_void({255: "road"}, 7), join_void(None, 255)
    ('255=road,7=ignore', {255: 'road', 7: 'ignore'}, None)
    """
    if ignore_index in (None, VOID):
        return given
    if isinstance(given, str):
        return f"{given},{ignore_index}={IGNORE}"
    return {**(given or {}), ignore_index: IGNORE}
