"""The images that a model is verified on, with their masks where there are any."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeseg.dataset import Dataset, Pair, is_dataset
from edgeseg.errors import DataError
from edgeseg.files.image_files import about_unread, list_images, unread_pictures
from edgeseg.files.picture_digests import record_pictures
from edgeseg.given import checked
from edgeseg.image import UInt8, read_image
from edgeseg.masks.mask_values import GivenValues
from edgeseg.spec import ModelSpec

UNLABELLED_LIMIT = 100
FEW_UNSEEN = 8
SYNTHETIC_COUNT = 6
SYNTHETIC = "synthetic"
"""The source of pictures that were drawn."""


class UnreadableImageError(DataError):
    """One image of many that cannot be decoded; it is skipped and counted."""


@dataclass(frozen=True)
class Sample:
    """One image and its mask, or None.

    Attributes:
        name: of the image.
        read: gives both.
        files: that of the image and that of its mask, as far as they come from files.
    """

    name: str
    read: Callable[[], tuple[UInt8, UInt8 | None]]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Samples:
    """Images to verify on.

    Attributes:
        items: the images, read when they are needed.
        source: the folder, or ``synthetic``.
        split: dataset split, or None.
        labelled: every item has a mask.
        ignore_index: mask value that is not scored.
        left_out: the sentence about pictures beside them of a kind that is not read, or empty.
        mask_values: what the values of the masks mean, where that was said.
    """

    items: tuple[Sample, ...]
    source: str
    split: str | None = None
    labelled: bool = False
    ignore_index: int | None = 255
    left_out: str = ""
    mask_values: Mapping[str, str] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.items)

    def spread(self, count: int) -> Samples:
        """Pick at most ``count`` of them, evenly spaced."""
        at = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int))
        items = tuple(self.items[i] for i in at)
        return replace(self, items=items)

    def evidence(self) -> dict[str, Any]:
        """Return what an artifact records of them, so that exactly these can be measured again.

        >>> Samples((), "synthetic").evidence()
        {'pictures': [], 'ignore_index': None, 'mask_values': None}
        """
        ignored = self.ignore_index if self.labelled else None
        pictures = record_pictures(item.files for item in self.items)
        return {"pictures": pictures, "ignore_index": ignored, "mask_values": self.mask_values}


@checked
def samples_from(
    path: Path,
    spec: ModelSpec,
    split: str | None = None,
    ignore_index: int | None = None,
    calibrated: Collection[Path] = (),
    mask_values: GivenValues | None = None,
) -> Samples:
    """Read images of a data folder's split with their masks, or of a plain folder without.

    Args:
        path: a data folder, its ``data.yaml``, or a folder of images.
        spec: its classes must be the dataset's; its ignore index is used when none is given.
        split: which split; None for ``val``, or the only one there is.
        ignore_index: mask value that is not scored.
        calibrated: images that calibration saw; in a plain folder others are preferred.
        mask_values: what mask values mean, ``255=road``; None: as the data says it.

    Raises:
        DataError: no images, masks missing or unable to judge, or other classes than the model's.

    >>> Path("pictures").mkdir()
    >>> cv2.imwrite("pictures/1.png", np.zeros((8, 8, 3), np.uint8))
    True
    >>> found = samples_from(Path("pictures"), ModelSpec("binary", ("background", "cell"), 64, 64))
    >>> len(found), found.labelled, [sample.name for sample in found]
    (1, False, ['1.png'])
    """
    if is_dataset(path):
        return _labelled_samples(path, spec, split, ignore_index, mask_values)
    images = list_images(path)
    seen = {image.resolve() for image in calibrated}
    unseen = [image for image in images if image.resolve() not in seen]
    chosen = unseen if len(unseen) >= FEW_UNSEEN else images
    found = samples_of_images(chosen, str(path))
    return replace(found, left_out=about_unread(unread_pictures(path))).spread(UNLABELLED_LIMIT)


@checked
def synthetic_samples(spec: ModelSpec) -> Samples:
    """Draw a few seeded random images of clouds and edges, for when there are no real ones.

    >>> samples = synthetic_samples(ModelSpec("binary", ("background", "cell"), 64, 96))
    >>> len(samples), len(samples.spread(2)), next(iter(samples)).read()[0].shape
    (6, 2, (64, 96, 3))
    """
    rng = np.random.default_rng(0)
    images = [_clouds(rng, spec.height, spec.width) for _ in range(SYNTHETIC_COUNT)]
    items = tuple(Sample(f"synthetic {i}", _array_reader(image)) for i, image in enumerate(images))
    return Samples(items, SYNTHETIC)


def _clouds(rng: np.random.Generator, height: int, width: int) -> UInt8:
    total = np.zeros((height, width, 3), np.float32)
    for cells in (2, 5, 12, 40):
        coarse = rng.normal(0, 1 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        mode = cv2.INTER_NEAREST if cells == 5 else cv2.INTER_CUBIC
        total += cv2.resize(coarse, (width, height), interpolation=mode)
    spread = (total - total.mean()) / (total.std() + 1e-6)
    return np.asarray(np.clip(127 + 60 * spread, 0, 255), np.uint8)


def _labelled_samples(
    path: Path, spec: ModelSpec, split: str | None, ignore_index: int | None, mask_values: GivenValues | None
) -> Samples:
    dataset = Dataset.open(path, ignore_index, mask_values, spec)
    if dataset.classes != spec.classes:
        raise DataError(
            f"{path} has the classes {', '.join(dataset.classes)}, the model {', '.join(spec.classes)}. "
            "Verify on data with the model's classes in the model's order."
        )
    split = split or choose_split(dataset)
    dataset.check_masks(split, proof=True)
    return samples_of_pairs(dataset, split, dataset.pairs(split), str(path))


@checked
def samples_of_images(images: Sequence[Path], source: str) -> Samples:
    """Make samples of pictures without masks."""
    return Samples(tuple(Sample(image.name, _image_reader(image), (image,)) for image in images), source)


@checked
def samples_of_pairs(dataset: Dataset, split: str, pairs: Sequence[Pair], source: str) -> Samples:
    """Make samples of pictures of a dataset with their masks."""
    items = tuple(Sample(pair.image.name, _pair_reader(dataset, pair), (pair.image, *pair.masks)) for pair in pairs)
    meanings = dataset.recorded_values or None
    return Samples(items, source, split, True, dataset.ignore_index, dataset.left_out(split), meanings)


def choose_split(dataset: Dataset) -> str:
    """Choose the split that proves where none is named: ``val``, or the first there is."""
    return "val" if "val" in dataset.folders else next(iter(dataset.folders))


def _array_reader(image: UInt8) -> Callable[[], tuple[UInt8, UInt8 | None]]:
    return lambda: (image, None)


def _image_reader(path: Path) -> Callable[[], tuple[UInt8, UInt8 | None]]:
    return lambda: (_image(path), None)


def _pair_reader(dataset: Dataset, pair: Pair) -> Callable[[], tuple[UInt8, UInt8 | None]]:
    def read() -> tuple[UInt8, UInt8 | None]:
        try:
            return dataset.read(pair)
        except DataError:
            _image(pair.image)
            raise

    return read


def _image(path: Path) -> UInt8:
    try:
        return read_image(path)
    except DataError as error:
        raise UnreadableImageError(str(error)) from None
