"""Find out before a run whether its results can be written, and that they lie over nothing that it reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgeseg.errors import OutputError
from edgeseg.files.atomic import check_writable
from edgeseg.files.cache_folder import cache_folder
from edgeseg.files.output_paths import check_apart, is_same
from edgeseg.runtime.recording.folder import SEGMENT_ADDS_BYTES, partial_path
from edgeseg.runtime.recording.video_file import CONTAINERS
from edgeseg.runtime.sinks.lines.pieces import PIECE_ADDS_BYTES
from edgeseg.runtime.sinks.lines.stream import is_stream
from edgeseg.runtime.sinks.mask_file import longest_name_bytes
from edgeseg.runtime.sinks.pictures import overlay_name
from edgeseg.runtime.sources.files_read import check_pictures_apart, source_files


def check_outputs(
    files: Iterable[Path],
    masks: Path | None,
    source: str,
    others: Iterable[Path] = (),
    overlays: Path | None = None,
    deletes: bool = False,
) -> None:
    """Find out before the work whether its results can be written.

    Args:
        files: what is going to be written.
        masks, overlays: folders in which a mask or a picture is written for each image.
        source: what the run reads.
        others: what is read beside it; of a folder, all that lies in it.
        deletes: old segments of the files are going to be deleted.

    Raises:
        OutputError: no permission, something else in the way, or something that this run reads.
    """
    files = [path for path in files if not is_stream(path)]
    folders = [path for path in (masks, overlays) if path is not None]
    read = source_files(source)
    inputs = [*read, *others, cache_folder()]
    for path in files:
        if path.is_dir():
            raise OutputError(f"{path} is a folder; give the name of a file in it.")
        check_writable(path.parent)
        _check_name(path)
        _check_not_from(path, read, deletes)
    for folder in folders:
        check_writable(folder)
        if taken := next((path for path in files if is_same(path, folder)), None):
            raise OutputError(f"{taken} and {folder} are the same. Choose another name for one of them.")
    if masks is not None:
        check_pictures_apart(masks, source, read, lambda image: f"{image.stem}.png")
    if overlays is not None:
        check_pictures_apart(overlays, source, read, lambda image: overlay_name(image, overlays))
    within = {folder / "mask.png" for folder in folders}
    check_apart([*files, *(partial_path(path) for path in files), *within], inputs)


def _check_name(path: Path) -> None:
    added = SEGMENT_ADDS_BYTES if path.suffix.lower() in CONTAINERS else PIECE_ADDS_BYTES
    room = longest_name_bytes(path.parent) - added
    if len(os.fsencode(path.name)) > room:
        raise OutputError(f"{path.name} is too long a name: {room} bytes are left for it. Shorten it.")


def _check_not_from(path: Path, read: Sequence[Path], deletes: bool) -> None:
    """Refuse a source that a recording would rename, as what a killed run left, or delete, as its oldest segment."""
    added = r"(-.+)?\.partial" if not deletes else r"(-.+)?(\.partial|-\d{6,}-\d{8}T\d{6}Z(-\d+)?)"
    own = re.compile(re.escape(path.stem) + added + re.escape(path.suffix))
    for each in read:
        if own.fullmatch(each.name) and is_same(each.parent, path.parent):
            raise OutputError(
                f"{each} is read here, and a recording to {path} would take it as its own. Choose another."
            )
