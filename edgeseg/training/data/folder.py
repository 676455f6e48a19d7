"""A data folder as a torch dataset."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from edgeseg.dataset import Dataset, Pair
from edgeseg.errors import DataError
from edgeseg.files.data_layout import SPLITS
from edgeseg.image import UInt8, fit, fit_mask, normalise, placement
from edgeseg.masks.census import Int64, count_shown
from edgeseg.spec import ModelSpec
from edgeseg.training.data.augment import Augmentation, augment, warp_weights
from edgeseg.training.data.boundary_weights import BoundaryWeights, WeightCache
from edgeseg.training.losses.losses import VOID

CACHE_BYTES = 2 << 30
CACHE_SHARE = 0.2
"""Of the memory that is free when a dataset is opened; train and val have a cache each."""

Key = tuple[int, int]
"""(epoch, index): the epoch travels with the index, so that a sample's random numbers depend on
seed, epoch and index alone, whatever the number of workers and wherever a run was resumed."""


class FolderDataset(TorchDataset[tuple[Tensor, ...]]):
    """Pairs of a split as (float32 CHW input, int64 HW target) tensors; crops may have float32 HW weights.

    Args:
        data: the data folder.
        split: ``train`` or ``val``.
        spec: gives size, normalisation and ignore index.
        crop: (height, width) of training crops, or None for whole images as the runtime sees them.
        augmentation: ranges for training crops.
        seed: of the random numbers.
        boundary: crops get a third tensor, these weights; None leaves it out.

    Decoded images are kept in memory up to 2 GiB, or a fifth of what is free.
    """

    def __init__(
        self,
        data: Dataset,
        split: str,
        spec: ModelSpec,
        crop: tuple[int, int] | None = None,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        boundary: BoundaryWeights | None = None,
    ) -> None:
        self.data, self.split, self.spec, self.crop, self.seed = data, split, spec, crop, seed
        self.pairs: Sequence[Pair] = data.pairs(split)
        self._more: Dataset | None = None
        self._own = len(self.pairs)
        self.augmentation = augmentation or Augmentation()
        self._cache: dict[int, tuple[UInt8, UInt8]] = {}
        self._cached_bytes = 0
        self._cache_bytes = min(CACHE_BYTES, int(CACHE_SHARE * free_bytes()))
        self._weights = WeightCache(boundary) if boundary else None

    def __len__(self) -> int:
        return len(self.pairs)

    def join(self, more: Dataset) -> None:
        """Add the pairs of another folder's split, whose masks hold labels and 255 for void."""
        self._more, self.pairs = more, (*self.pairs, *more.pairs(self.split))

    def raw(self, index: int) -> tuple[UInt8, UInt8]:
        """Read image and mask as in the files, void mapped to 255."""
        if index in self._cache:
            return self._cache[index]
        data = self.data if self._more is None or index < self._own else self._more
        image, mask = data.read(self.pairs[index])
        if self.spec.ignore_index not in (None, VOID):
            mask = np.where(mask == self.spec.ignore_index, np.uint8(VOID), mask)
        if self._cached_bytes + image.nbytes + mask.nbytes <= self._cache_bytes:
            self._cache[index] = image, mask
            self._cached_bytes += image.nbytes + mask.nbytes
        return image, mask

    def __getitem__(self, key: Key) -> tuple[Tensor, ...]:
        epoch, index = key
        image, mask = self.raw(index)
        if self.crop is None:
            return self.whole(index)
        seed = (self.seed, epoch, index)
        size = (image.shape[0], image.shape[1])
        fitted, target = self._crop(image, mask, seed)
        if self._weights is None:
            return self._tensors(fitted, target)
        # The same seed again: the weights move like the mask, and the images' random numbers stay what they were.
        weights = warp_weights(
            self._weights(mask), self.crop, self._scale(size), self.augmentation, np.random.default_rng(seed)
        )
        return *self._tensors(fitted, target), torch.from_numpy(weights)

    def weighted_share(self, progress: Iterable[int]) -> float:
        """Share (0..1) of all pixels that boundary weights make heavier by over 1 % of w0; the maps stay cached."""
        assert self._weights is not None
        least = self._weights.weights.w0 / 100
        shares = [float((self._weights(self.raw(index)[1]) > least).mean()) for index in progress]
        return float(np.mean(shares))

    def whole(self, index: int) -> tuple[Tensor, Tensor]:
        """Read image and target as the runtime sees them, not cropped."""
        image, mask = self.raw(index)
        return self._tensors(fit(image, self.spec), fit_mask(mask, self.spec, VOID))

    def _tensors(self, fitted: UInt8, target: UInt8) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(normalise(fitted, self.spec)), torch.from_numpy(target).long()

    def _crop(self, image: UInt8, mask: UInt8, seed: tuple[int, ...]) -> tuple[UInt8, UInt8]:
        assert self.crop is not None
        scale = self._scale((image.shape[0], image.shape[1]))
        image, target = augment(image, mask, self.crop, scale, self.augmentation, np.random.default_rng(seed))
        return fit(image, self.spec.replace(height=self.crop[0], width=self.crop[1], resize="stretch")), target

    def _scale(self, size: tuple[int, int]) -> tuple[float, float]:
        """(y, x) factors from an image of ``size`` to the network's input."""
        at = placement(size, self.spec)
        return at.height / size[0], at.width / size[1]


class EpochSampler(Sampler[Key]):
    """Keys of one epoch: all indices in an order drawn from (seed, epoch)."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Key]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        return iter([(self.epoch, int(index)) for index in order])


def free_bytes() -> int:
    """Read the free memory of this machine, or what suffices where the system does not say it."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return CACHE_BYTES * 100


def check_splits(data: Dataset) -> None:
    """Refuse a data folder that cannot be trained on, before an image is read.

    Raises:
        DataError: no split ``train``, no split ``val`` to score on, or masks of either that cannot judge a network.
    """
    missing = [split for split in SPLITS if split not in data.folders]
    if missing:
        raise DataError(
            f"Training needs the splits train and val; {data.root} has only {', '.join(data.folders)}. "
            f"Put a part of its images and their masks, about every fifth, into images/{missing[0]} and "
            f"masks/{missing[0]} (without a copy: scripts/hold_out.py of the repository), or name the folders in a "
            "data.yaml."
        )
    for split in SPLITS:
        data.check_masks(split, proof=True)


def count_pixels(dataset: FolderDataset, progress: Iterator[int] | Sequence[int]) -> Tensor:
    """Count the pixels of each class, (K,), over all masks; reads and so checks every image and mask once.

    Of a multilabel task (K, 2): pixels that do not show the class, and those that do.

    Raises:
        DataError: an unreadable or contradicting file.
    """
    counts = np.zeros(256, np.int64)
    for index in progress:
        counts += np.bincount(dataset.raw(index)[1].ravel(), minlength=256)
    if dataset.spec.task == "multilabel":
        return torch.from_numpy(_shown(counts[: dataset.spec.num_labels], dataset.spec.num_classes))
    return torch.from_numpy(counts[: dataset.spec.num_classes])


def _shown(counts: Int64, classes: int) -> Int64:
    shown = count_shown(counts, classes)
    return np.stack([counts.sum() - shown, shown], 1)
