"""Which files a source reads, and whether results beside them would be read as pictures by the next run."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from edgeseg.errors import OutputError
from edgeseg.files.image_files import is_image
from edgeseg.files.output_paths import is_same
from edgeseg.runtime.sources.image_sequence import find_sequence, is_sequence
from edgeseg.runtime.sources.source_name import plain_name


def source_files(source: str) -> list[Path]:
    """List every file that the source may be read from; none of an address."""
    source = plain_name(source)
    if "://" in source:
        return []
    if is_sequence(source):
        return list(find_sequence(source).paths)
    path = Path(source)
    if path.is_dir():
        return [entry for entry in path.iterdir() if is_image(entry)]
    if path.exists() or not glob.has_magic(source):
        return [path]
    return [entry for entry in map(Path, glob.glob(source, recursive=True)) if is_image(entry)]


def check_pictures_apart(folder: Path, source: str, files: Sequence[Path], name_of: Callable[[Path], str]) -> None:
    """Refuse a folder in which what is written would overwrite pictures or be pictures of the next run.

    Args:
        folder: where a picture is written for each image.
        source: a file, a folder or a glob.
        files: of the source.
        name_of: what is written for an image.

    Raises:
        OutputError: it is the folder of the pictures, or the glob would find the masks.
    """
    if is_same(folder, Path(source)) and Path(source).is_dir():
        raise OutputError(f"{folder} is the source itself: results would be among its pictures. Choose another folder.")
    linked = [path.resolve() for path in files if path.is_symlink()]
    pictures = [path for path in [*files, *linked] if is_image(path)]
    same = {parent for parent in {path.parent for path in pictures} if is_same(parent, folder)}
    beside = [path for path in pictures if path.parent in same]
    names = {path.name.casefold() for path in beside}
    pattern = os.path.basename(source) if glob.has_magic(source) and not Path(source).exists() else None
    for path in beside:
        mask = name_of(path)
        if mask.casefold() in names:
            raise OutputError(f"The result for {path} would overwrite {folder / mask}. Choose another folder.")
        if pattern is not None and fnmatch(mask, pattern):
            raise OutputError(f"{source!r} would find the result for {path} in the next run. Choose another folder.")
    if pattern is not None and "**" in source and fnmatch(name_of(Path("x.png")), pattern.replace("**", "*")):
        _check_not_below(folder, source)


def _check_not_below(folder: Path, source: str) -> None:
    root = Path(glob.escape(source).partition("[")[0]).resolve()
    root = root if source.startswith(("*", "?")) or root.is_dir() else root.parent
    if root == folder.resolve() or root in folder.resolve().parents:
        raise OutputError(f"{source!r} would find the results in {folder} in the next run. Choose another folder.")
