"""What verification recorded in an artifact, and the pictures that it was measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset, Pair, is_dataset
from edgeseg.errors import ArtifactError, DataError
from edgeseg.files.image_files import list_images
from edgeseg.files.picture_digests import PictureRecord, digest_file, digest_files
from edgeseg.given import checked

SPREAD_BEFORE = 16
"""How many evenly spaced pictures a float export was compared on, by the versions that recorded no digests."""
NAMED = 3
OTHER_NUMBERS = ("skipped", "ignore_index")
_Found = tuple[int | None, str]
"""Where a picture is, or None and what is wrong with it."""
AS_SHOWN = "as shown"
"""What an artifact records where the threshold was applied to the masks that were measured."""


@dataclass(frozen=True)
class Recorded:
    """What an artifact's masks were worth when it was made.

    Attributes:
        miou: against masks, 0..1.
        split: of the data folder.
        images: how many were measured.
        unreadable: how many beside them could not be read.
        pictures: all of them; empty in artifacts that are older than this record.
        ignore_index: mask value that was not scored; None: none, or not recorded.
        mask_values: what mask values meant; None: themselves, or not recorded.
        is_shown: whether the masks were those that a run shows, with the threshold, or the graph's own labels.
    """

    miou: float
    split: str
    images: int
    unreadable: int = 0
    pictures: tuple[PictureRecord, ...] = ()
    ignore_index: int | None = None
    is_shown: bool = False
    mask_values: Mapping[str, str] | None = None


@checked
def read_recorded(artifact: Artifact) -> Recorded:
    """Read what verification recorded.

    Raises:
        ArtifactError: it recorded no mIoU against masks.
    """
    measured = artifact.measured
    half = measured.get("half")
    measured = half if isinstance(half, dict) else measured
    miou = _own_stage(measured, f"{artifact.format} {artifact.precision}").get("mean_iou")
    split, images = measured.get("split"), measured.get("images")
    labelled = measured.get("iou_against") == "masks"
    if not (labelled and isinstance(miou, float) and isinstance(split, str) and type(images) is int):
        raise ArtifactError(
            f"{artifact.path.name} records no mIoU against masks, so there is nothing to compare with. "
            "Export it with `data`, a folder of images and masks, or check it without `data`."
        )
    lines = measured.get("pictures")
    pictures = tuple(map(PictureRecord.parse, lines)) if isinstance(lines, list) else ()
    unreadable, ignored = (value if type(value) is int else None for value in map(measured.get, OTHER_NUMBERS))
    meanings = measured.get("mask_values")
    return Recorded(
        miou,
        split,
        images,
        unreadable or 0,
        pictures,
        ignored,
        measured.get("masks") == AS_SHOWN,
        meanings if isinstance(meanings, dict) else None,
    )


def find_pictures(artifact: Artifact, recorded: Recorded, dataset: Dataset) -> tuple[Pair, ...]:
    """Find exactly the pictures that were measured, wherever they lie in the data folder now.

    Args:
        artifact: for messages.
        recorded: what it says.
        dataset: where they are looked for, in the recorded split first.

    Raises:
        DataError: one is missing, or it or its mask was changed.
        ArtifactError: an artifact without digests was verified on another number of pictures.
    """
    if not recorded.pictures:
        return _best_reading(artifact, recorded, dataset)
    splits = [recorded.split, *(one for one in dataset.folders if one != recorded.split)]
    known = [one for one in splits if one in dataset.folders]
    pairs = [pair for one in known for pair in _pairs(dataset, one, one == recorded.split)]
    found = _find_all(recorded.pictures, [(pair.image, *pair.masks) for pair in pairs])
    if wrong := _list_wrong(found):
        raise DataError(
            f"{artifact.path.name} was verified on {len(found)} pictures of split {recorded.split!r}, and {len(wrong)} "
            f"of them are not in {dataset.root} as they were: {_name_some(wrong)}. Give `data` as it was "
            f"then, or measure what is there with: `edgeseg.evaluate({str(artifact.path)!r}, {str(dataset.root)!r})`"
        )
    return tuple(pairs[at] for at, _ in found if at is not None)


@checked
def find_images(artifact: Artifact, folder: Path) -> tuple[Path, ...]:
    """Find exactly the pictures that an artifact was verified on without masks, wherever they lie in a folder now.

    Args:
        artifact: says which.
        folder: of pictures, or a data folder, whose masks are left alone.

    Raises:
        ArtifactError: it was verified on pictures that were drawn for it, or does not say on which.
        DataError: one is missing or was changed.
    """
    lines = artifact.measured.get("pictures")
    if not isinstance(lines, list) or not lines:
        how = "pictures that were drawn for it" if lines == [] else "pictures that it does not name"
        raise ArtifactError(
            f"{artifact.path.name} was verified on {how}, so there is nothing to look for in {folder}. Export it with "
            "`data`, a folder of images, or check it without `data`."
        )
    images = _list_all(folder)
    found = _find_all([PictureRecord.parse(line) for line in lines], [(image,) for image in images])
    if wrong := _list_wrong(found):
        raise DataError(
            f"{artifact.path.name} was verified on {len(found)} pictures without masks, and {len(wrong)} of them are "
            f"not in {folder} as they were: {_name_some(wrong)}. Give `data` as it was then."
        )
    return tuple(images[at] for at, _ in found if at is not None)


def _list_all(folder: Path) -> list[Path]:
    """Pictures of a folder, or of every split of a data folder."""
    if not is_dataset(folder):
        return list_images(folder)
    dataset = Dataset.open(folder)
    return [pair.image for split in dataset.folders for pair in _pairs(dataset, split, False)]


def _list_wrong(found: Sequence[_Found]) -> list[str]:
    return [sentence for at, sentence in found if at is None]


def _name_some(wrong: Sequence[str]) -> str:
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    return f"{'; '.join(wrong[:NAMED])}{more}"


def _find_all(pictures: Sequence[PictureRecord], files: Sequence[tuple[Path, ...]]) -> list[_Found]:
    """Find each picture among files of images, each with those of its mask."""
    here = _Pictures(files)
    return [here.find(picture) for picture in pictures]


class _Pictures:
    """Pictures with their masks, found by content; a file is read when it is asked about, and once."""

    def __init__(self, files: Sequence[tuple[Path, ...]]) -> None:
        self._files = files
        self._by_name: dict[str, int] = {}
        for at, (image, *_) in enumerate(files):
            self._by_name.setdefault(image.name, at)
        self._by_content: dict[tuple[str, str], int] | None = None

    def find(self, picture: PictureRecord) -> _Found:
        """Where it is, or what is wrong with it."""
        wanted = (picture.image, picture.mask)
        named = self._by_name.get(picture.name)
        here = None if named is None else self._digest(named)
        if here == wanted:
            return named, ""
        if self._by_content is None:
            self._by_content = {self._digest(at): at for at in range(len(self._files))}
        if (moved := self._by_content.get(wanted)) is not None:
            return moved, ""
        if here is None:
            return None, f"{picture.name} is missing"
        if here[0] == picture.image:
            return None, f"the mask of {picture.name} was changed"
        return None, f"{picture.name} was changed"

    def _digest(self, at: int) -> tuple[str, str]:
        return digest_file(self._files[at][0]), digest_files(self._files[at][1:])


def _pairs(dataset: Dataset, split: str, is_asked_for: bool) -> Sequence[Pair]:
    """Pairs of a split; of one that nobody asked for, none where it cannot be used."""
    try:
        return dataset.pairs(split)
    except DataError:
        if is_asked_for:
            raise
        return ()


def _best_reading(artifact: Artifact, recorded: Recorded, dataset: Dataset) -> tuple[Pair, ...]:
    """Which pictures an artifact without digests means: all of the split, or sixteen of them, evenly spaced."""
    pairs, count = dataset.pairs(recorded.split), recorded.images + recorded.unreadable
    if len(pairs) == count:
        return pairs
    if count == SPREAD_BEFORE < len(pairs):
        return tuple(pairs[at] for at in np.linspace(0, len(pairs) - 1, count).round().astype(int))
    raise ArtifactError(
        f"{artifact.path.name} was verified on {count} images of split {recorded.split!r}, but {dataset.root} has "
        f"{len(pairs)}, and an artifact of this age does not say which. Check it on the same data, or measure with: "
        f"`edgeseg.evaluate({str(artifact.path)!r}, {str(dataset.root)!r})`"
    )


def _own_stage(measured: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    stages = measured.get("stages")
    stage = stages.get(name) if isinstance(stages, dict) else None
    return stage if isinstance(stage, dict) else {}
