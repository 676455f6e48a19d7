"""Every format of labels that is read, in the order in which a folder is asked for its own."""

from __future__ import annotations

from pathlib import Path

from edgeseg.datasets.formats import (
    archive,
    coco,
    cvat,
    huggingface,
    label_studio,
    labelme,
    supervisely,
    tar_shards,
    via,
    yolo,
)
from edgeseg.datasets.formats.labelled_set import LabelledSet, Reader, ReadOptions
from edgeseg.datasets.pixels import beside, cityscapes, image_folder, ours, voc
from edgeseg.errors import DataError

READERS: tuple[Reader, ...] = (
    cityscapes.READER,
    voc.READER,
    ours.READER,
    coco.READER,
    yolo.READER,
    supervisely.READER,
    cvat.READER,
    labelme.READER,
    label_studio.READER,
    via.READER,
    huggingface.READER,
    image_folder.READER,
    tar_shards.READER,
    archive.READER,
    beside.READER,
)
"""The most telling first: a folder of VOC also holds pictures beside masks."""


def find_reader(path: Path | str) -> Reader | None:
    """Find the reader of a data folder, or of a file that describes one; None where no format is recognised.

    >>> find_reader("nowhere") is None
    True
    """
    path = Path(path)
    return next((reader for reader in READERS if reader.recognise(path)), None) if path.exists() else None


def read_set(path: Path | str, options: ReadOptions | None = None) -> LabelledSet:
    """Read the labels of a data folder, whatever their format.

    Raises:
        DataError: no such folder, no format that is known, or one whose classes or files make no sense.
    """
    path = Path(path)
    reader = find_reader(path)
    if reader is None:
        raise DataError(about_unknown(path))
    return reader.read(path, options or ReadOptions())


def about_unknown(path: Path) -> str:
    """Say that no format was recognised, and which are known."""
    if not path.exists():
        return f"There is no data folder {path}."
    found = sorted(entry.name for entry in path.iterdir())[:6] if path.is_dir() else [path.name]
    known = ", ".join(dict.fromkeys(one.title for one in READERS if one is not archive.READER))
    return (
        f"{path} holds labels of no format that is read; found {', '.join(found) or 'nothing'}. Known are: {known}. "
        "Put pictures into images/ and masks of the same names into masks/."
    )
