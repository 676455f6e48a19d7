"""Shards of a labelled set: tar files of pictures and masks in the WebDataset format.

Files of one sample have one name and different endings: ``00000001.jpg`` the picture, ``00000001.mask.png`` the mask of
class indices (255 is void), ``00000001.json`` the picture's own name. They stand one after the other, as
https://github.com/webdataset/webdataset reads them.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from edgeseg.console.progress import Progress, no_progress
from edgeseg.datasets.convert import DEFAULT_SPLIT, Missing, choose_labelled, load_pair
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet
from edgeseg.datasets.formats.picture_file import is_gif, suffix_of
from edgeseg.datasets.formats.tar_shards import INDEX
from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_file, writing
from edgeseg.files.image_bytes import MAX_IMAGE_BYTES
from edgeseg.files.input_file import read_bytes
from edgeseg.image import UInt8
from edgeseg.mask_png import mask_png
from edgeseg.palette import default_palette

SHARD_BYTES = 256 << 20
MASK_ENDING = "mask.png"


@dataclass(frozen=True)
class Shards:
    """What was written.

    Attributes:
        folder: that holds the shards.
        files: name of each shard, by split.
        pictures: how many of each split.
        left_out: a sentence for each picture that was left out.
    """

    folder: Path
    files: dict[str, tuple[str, ...]]
    pictures: dict[str, int]
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        files = {split: list(names) for split, names in self.files.items()}
        return {"folder": str(self.folder), "shards": files, "pictures": self.pictures, "left_out": list(self.left_out)}


def write_shards(
    found: LabelledSet,
    out: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    missing: Missing = "refuse",
    progress: Progress = no_progress,
) -> Shards:
    """Write ``SPLIT-000000.tar`` and so on, and ``shards.json`` with classes and counts.

    Args:
        found: what a reader made of a data folder.
        out: the folder to write; no shards may lie in it.
        shard_bytes: a shard ends with the first sample that makes it so large.
        missing: what is done with pictures without labels.
        progress: shows how far it is.

    Raises:
        DataError: labels that are wrong or missing, by file.
        OutputError: ``out`` holds shards, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.glob("*.tar"))):
        raise OutputError(f"{out} holds shards or is a file. Choose another folder, or remove it.")
    pictures, left_out = choose_labelled(found, missing)
    splits: dict[str, list[LabelledPicture]] = {}
    for picture in pictures:
        splits.setdefault(picture.split or DEFAULT_SPLIT, []).append(picture)
    files: dict[str, tuple[str, ...]] = {}
    with writing(out), progress("shard", len(pictures)) as tick:
        for split, own in splits.items():
            samples = _samples(found, own, missing == "background", tick)
            files[split] = tuple(_write_split(out, split, samples, shard_bytes))
        done = Shards(out, files, {split: len(own) for split, own in splits.items()}, tuple(left_out))
        with atomic_file(out / INDEX) as staged:
            values = {"classes": list(found.classes), "ignore_index": 255, **done.to_dict()}
            values.pop("folder")
            staged.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return done


Sample = dict[str, bytes]


def _samples(found: LabelledSet, pictures: Sequence[LabelledPicture], fill: bool, tick: Any) -> Iterator[Sample]:
    palette = default_palette(len(found.classes))
    for picture in pictures:
        image, mask = load_pair(picture, len(found.classes), fill)
        ending, data = _encode(picture.image, image)
        told = {"name": picture.name, "split": picture.split or DEFAULT_SPLIT, "group": picture.group}
        yield {
            ending: data,
            MASK_ENDING: mask_png(mask, palette),
            "json": json.dumps(told, ensure_ascii=False).encode(),
        }
        tick()


def _encode(source: Path | bytes, image: UInt8) -> tuple[str, bytes]:
    """The file as it is where readers of shards know its kind, else as PNG."""
    if isinstance(source, Path) and is_gif(source):
        return "png", cv2.imencode(".png", image)[1].tobytes()
    data = source if isinstance(source, bytes) else read_bytes(source, MAX_IMAGE_BYTES)
    suffix = suffix_of(data)
    if suffix in (".jpg", ".png", ".webp"):
        return suffix[1:], data
    return "png", cv2.imencode(".png", image)[1].tobytes()


def _write_split(out: Path, split: str, samples: Iterator[Sample], shard_bytes: int) -> Iterator[str]:
    number, at = 0, 0
    sample = next(samples, None)
    while sample is not None:
        name = f"{split}-{number:06d}.tar"
        with atomic_file(out / name) as staged, tarfile.open(staged, "w", format=tarfile.USTAR_FORMAT) as tar:
            size = 0
            while sample is not None and size < shard_bytes:
                size += _add(tar, f"{at:08d}", sample)
                at, sample = at + 1, next(samples, None)
        number += 1
        yield name


def _add(tar: tarfile.TarFile, key: str, sample: Sample) -> int:
    """One sample, with nothing in it of the machine or the hour that it was written at."""
    for ending, data in sample.items():
        entry = tarfile.TarInfo(f"{key}.{ending}")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return sum(map(len, sample.values()))
