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


@dataclass(frozen=True)
class CacheEntry:
    """One compiled model or engine.

    Attributes:
        kind: the ``cache_title`` of its format.
        path: its folder.
        files: what edgeseg wrote there.
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
    return [entry for one in kept for entry in _entries_in(cache_folder(one.name), one.cache_title, older_than_s)]


def clear(entry: CacheEntry) -> bool:
    """Remove the files of an entry, and its folder unless something else lies there; False if that failed.

    The folder is held open while that happens, so that nobody can put a link in its place.
    """
    try:
        folder = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        for name in entry.files:
            os.unlink(name, dir_fd=folder)
        if not os.listdir(folder):
            entry.path.rmdir()
    except OSError:
        return False
    finally:
        os.close(folder)
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
    found = [
        (name.name, name.stat(follow_symlinks=False)) for name in os.scandir(path) if _WRITTEN.fullmatch(name.name)
    ]
    own = [(name, status) for name, status in found if stat.S_ISREG(status.st_mode)]
    if not own:
        return None
    newest_s = max(status.st_mtime for _, status in own)
    size = sum(status.st_size for _, status in own)
    return CacheEntry(kind, path, tuple(name for name, _ in own), size, max(0.0, time.time() - newest_s))
