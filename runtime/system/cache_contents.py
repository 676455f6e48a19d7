"""What edgeseg has written into its cache folder, and its removal; nothing else there is touched, no link followed."""

from __future__ import annotations

import itertools
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.files.cache_folder import cache_folder
from edgeseg.formats import usable_formats

_ENTRY = re.compile(r"[0-9a-f]{16,64}")
"""Each model has a folder that is named by a digest of what it was made from."""
_WRITTEN = re.compile(r"\.?(?:\w+\.blob|engine\.plan|engine\.json|lock|\w+\.json|timing\.cache)(?:\.\w+)?")
ZOO, _ZOO_TITLE = "zoo", "networks of the zoo"
"""The folder of networks that were fetched by their names, with an artifact in a folder of its own for each format."""
DATASETS, _DATASETS_TITLE = "datasets", "converted data sets"
"""The folder of data sets that were converted to be read: pictures, which are links to the user's, and masks."""
SLOTS, _SLOTS_TITLE = "slots", "measured numbers of slots"
"""The folder of what :func:`edgeseg.runtime.tuning.choose.choose_slots` measured."""
_WRITTEN_INTO = {
    _ZOO_TITLE: re.compile(
        r"lock|\w+\.(?:tflite|pt|onnx)|[\w-]+-(?:fp32|fp16|int8)-\w+/(?:edgeseg\.json|model\.\w+|report\.\w+)"
    ),
    _DATASETS_TITLE: re.compile(r"classes\.txt|data\.yaml|images/[^/]+/[^/]+|masks/[^/]+/[^/]+\.png"),
}


@dataclass(frozen=True)
class CacheEntry:
    """One compiled model, engine, network of the zoo or converted data set.

    Attributes:
        kind: the ``cache_title`` of its format.
        path: its folder.
        files: what edgeseg wrote there; with ``/`` what lies in a folder of it.
        size: bytes of these files.
        age_s: since the newest of them was written.
    """

    kind: str
    path: Path
    files: tuple[str, ...]
    size: int
    age_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"kind": self.kind, "path": str(self.path), "bytes": self.size, "age_s": round(self.age_s)}


def cache_entries(older_than_s: float = 0.0) -> list[CacheEntry]:
    """List everything in the cache that was written at least so long ago, by kind and name."""
    kept = [one for one in usable_formats() if one.cache_title]
    found = [entry for one in kept for entry in _entries_in(cache_folder(one.name), one.cache_title, older_than_s)]
    further = {ZOO: _ZOO_TITLE, DATASETS: _DATASETS_TITLE, SLOTS: _SLOTS_TITLE}
    kept_beside = [_entries_in(cache_folder(name), title, older_than_s) for name, title in further.items()]
    return [*found, *itertools.chain(*kept_beside)]


def clear(entry: CacheEntry) -> bool:
    """Remove the files of an entry, and its folder unless something else lies there; False if that failed.

    The folder is held open while that happens, so that nobody can put a link in its place.
    """
    if not hasattr(os, "O_DIRECTORY"):  # Windows, where a link needs a right that few have
        return _clear_by_path(entry)
    try:
        folder = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        for inside, names in _by_folder(entry.files):
            _unlink_in(folder, inside, names)
        if not os.listdir(folder):
            entry.path.rmdir()
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _by_folder(files: Iterable[str]) -> list[tuple[tuple[str, ...], list[str]]]:
    """Names by the folder that they are in, deeper folders first, and each folder above one of them."""
    found: dict[tuple[str, ...], list[str]] = {(): []}
    for name in files:
        *parts, last = name.split("/")
        for depth in range(1, len(parts) + 1):
            found.setdefault(tuple(parts[:depth]), [])
        found[tuple(parts)].append(last)
    return sorted(found.items(), key=lambda one: -len(one[0]))


def _unlink_in(root: int, inside: Sequence[str], names: Iterable[str]) -> None:
    """Remove files of a folder below an open one, and then the folder where it is empty, on a way without links."""
    held = [root]
    try:
        for part in inside:
            held.append(os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held[-1]))
        for name in names:
            os.unlink(name, dir_fd=held[-1])
        if inside and not os.listdir(held[-1]):
            os.rmdir(inside[-1], dir_fd=held[-2])
    finally:
        for folder in held[1:]:
            os.close(folder)


def _clear_by_path(entry: CacheEntry) -> bool:
    try:
        for inside, names in _by_folder(entry.files):
            folder = entry.path.joinpath(*inside)
            for name in names:
                (folder / name).unlink()
            if not os.listdir(folder):
                folder.rmdir()
    except OSError:
        return False
    return True


def _entries_in(root: Path, kind: str, older_than_s: float) -> Iterator[CacheEntry]:
    if root.is_symlink() or not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if _ENTRY.fullmatch(path.name) and not path.is_symlink() and path.is_dir():
            entry = _entry(path, kind)
            if entry is not None and entry.age_s >= older_than_s:
                yield entry


def _entry(path: Path, kind: str) -> CacheEntry | None:
    own = dict(_own_files(path, _WRITTEN_INTO.get(kind, _WRITTEN), links=kind == _DATASETS_TITLE))
    if not own:
        return None
    newest_s = max(status.st_mtime for status in own.values())
    size = sum(status.st_size for status in own.values())
    return CacheEntry(kind, path, tuple(own), size, max(0.0, time.time() - newest_s))


def _own_files(root: Path, written: re.Pattern[str], links: bool) -> Iterator[tuple[str, os.stat_result]]:
    """Names below a folder, with ``/``, that edgeseg writes; ``links``: those of the user's pictures as well."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            inside = path.relative_to(root).as_posix()
            status = path.lstat()
            mine = stat.S_ISREG(status.st_mode) or (links and stat.S_ISLNK(status.st_mode))
            if mine and written.fullmatch(inside):
                yield inside, status
