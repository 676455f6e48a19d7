"""What edgeseg has written into its cache folder, and its removal; nothing else there is touched, no link followed."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
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
_ARTIFACT = re.compile(r"[\w-]+-(?:fp32|fp16|int8)-\w+")
_IN_ZOO = re.compile(r"lock|\w+\.(?:tflite|pt|onnx)")
_IN_ARTIFACT = re.compile(r"edgeseg\.json|model\.\w+|report\.\w+")


@dataclass(frozen=True)
class CacheEntry:
    """One compiled model or engine.

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
    return [*found, *_entries_in(cache_folder(ZOO), _ZOO_TITLE, older_than_s)]


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
        for name in entry.files:
            os.unlink(name, dir_fd=folder)
        for name in {name.partition("/")[0] for name in entry.files if "/" in name}:
            os.rmdir(name, dir_fd=folder)
        if not os.listdir(folder):
            entry.path.rmdir()
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _clear_by_path(entry: CacheEntry) -> bool:
    try:
        for name in entry.files:
            (entry.path / name).unlink()
        if not os.listdir(entry.path):
            entry.path.rmdir()
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
    own = dict(_own_files(path, _IN_ZOO if kind == _ZOO_TITLE else _WRITTEN))
    if kind == _ZOO_TITLE:
        for folder in sorted(path.iterdir()):
            if _ARTIFACT.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                own |= {f"{folder.name}/{name}": status for name, status in _own_files(folder, _IN_ARTIFACT)}
    if not own:
        return None
    newest_s = max(status.st_mtime for status in own.values())
    size = sum(status.st_size for status in own.values())
    return CacheEntry(kind, path, tuple(own), size, max(0.0, time.time() - newest_s))


def _own_files(folder: Path, written: re.Pattern[str]) -> Iterator[tuple[str, os.stat_result]]:
    for name in os.scandir(folder):
        status = name.stat(follow_symlinks=False)
        if written.fullmatch(name.name) and stat.S_ISREG(status.st_mode):
            yield name.name, status
