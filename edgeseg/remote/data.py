"""Which files of a data folder a command on another machine needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset, Pair, is_dataset
from edgeseg.remote.parcel import Parcel
from edgeseg.runtime.measure.evaluate import open_dataset
from edgeseg.runtime.measure.recorded import find_images, find_pictures, read_recorded


def add_checked_data(parcel: Parcel, data: Path, artifact: Artifact, ignore_index: int | None, values: Any) -> None:
    """Add the pictures that an artifact was proven on, with their masks.

    Args:
        parcel: that they are added to.
        data: data folder, a file that describes one, or a folder of images.
        artifact: says which.
        ignore_index, values: how masks are read.

    Raises:
        ArtifactError: it does not say which.
        DataError: one is missing or was changed.
    """
    if artifact.measured.get("iou_against") != "masks":
        _add(parcel, data, find_images(artifact, data))
        return
    recorded = read_recorded(artifact)
    ignored = recorded.ignore_index if ignore_index is None else ignore_index
    dataset = open_dataset(data, artifact, ignored, recorded.mask_values if values is None else values)
    _add(parcel, data, _files_of(find_pictures(artifact, recorded, dataset)))


def add_split(parcel: Parcel, data: Path, split: str | None, ignore_index: int | None, values: Any) -> None:
    """Add the pictures of one split with their masks, or a folder of images.

    Raises:
        DataError: it cannot be used.
    """
    if not _is_plain(data):
        _add(parcel, data, ())
        return
    dataset = Dataset.open(data, ignore_index, values)
    wanted = [split] if split in dataset.folders else ["val"] if "val" in dataset.folders else list(dataset.folders)
    _add(parcel, data, _files_of([pair for one in wanted for pair in dataset.pairs(str(one))]))


def _files_of(pairs: Sequence[Pair]) -> list[Path]:
    return [file for pair in pairs for file in (pair.image, *pair.masks)]


def _add(parcel: Parcel, data: Path, wanted: Sequence[Path]) -> None:
    """Add single files of our own layout; every other one needs more than its pictures, and goes whole."""
    if data.is_file():
        there = parcel.add(data.parent)
        parcel.places[data] = f"{there}/{data.name}"
    elif wanted and (_is_plain(data) or not is_dataset(data)):
        parcel.add(data, wanted)
    else:
        parcel.add(data)


def _is_plain(data: Path) -> bool:
    """Tell whether its splits are folders, and no file describes them."""
    return data.is_dir() and (data / "images").is_dir() and (data / "classes.txt").is_file()
