"""How often each value occurs in each mask of a split, and which values are meant to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MaskCensus:
    """The values of every mask of a split, each file for itself.

    Attributes:
        where: the split, for messages.
        files: the mask files.
        counts: pixels of each value 0..255 in each file, (files, 256) int64; what ``mask_values`` ignores is left out.
        classes: names in label order.
        ignored: the value that is not scored, or None.
        said: somebody chose that value, so that it is no guess.
        several: a value is a set of classes, bit k for class k.
        read: gives one mask again by its number, HW uint8.
    """

    where: str
    files: Sequence[Path]
    counts: Int64
    classes: tuple[str, ...]
    ignored: int | None
    said: bool
    read: Callable[[int], UInt8]
    several: bool = False

    @property
    def class_pixels(self) -> Int64:
        """Pixels of each class over all files, (K,) int64."""
        if self.several:
            return count_shown(self.counts.sum(0), len(self.classes))
        return np.asarray(self.counts[:, : len(self.classes)].sum(0))

    @property
    def labels(self) -> int:
        """How many values mean something, from 0 on: one a class, or one a set of classes."""
        return 1 << len(self.classes) if self.several else len(self.classes)

    @property
    def missing(self) -> tuple[int, ...]:
        """Labels of the classes that no mask holds."""
        return tuple(int(label) for label in np.flatnonzero(self.class_pixels == 0))

    @property
    def strange(self) -> tuple[int, ...]:
        """Values that are neither a class nor ignored."""
        values = np.flatnonzero(self.counts.sum(0))
        return tuple(int(value) for value in values if value >= self.labels and value != self.ignored)

    def holding(self, value: int | None) -> npt.NDArray[np.bool_]:
        """Tell which files hold a value, (files,) bool."""
        if value is None:
            return np.zeros(len(self.files), bool)
        return np.asarray(self.counts[:, value] > 0)

    def share(self, value: int) -> float:
        """Share of all counted pixels that hold a value, 0..1."""
        return float(self.counts[:, value].sum() / max(1, self.counts.sum()))

    def name_files(self, numbers: Sequence[int] | npt.NDArray[np.intp]) -> str:
        """Name the first few of some files."""
        names = [self.files[int(number)].name for number in numbers[:3]]
        more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
        return ", ".join(names) + more


def count_shown(counts: Int64, classes: int) -> Int64:
    """Count the pixels that show each class, (K,), from those of each set of classes, (2^K or more,)."""
    sets = np.arange(1 << classes)
    return np.asarray((sets >> np.arange(classes)[:, np.newaxis] & 1) @ counts[: len(sets)], np.int64)


def value_counts(mask: UInt8) -> Int64:
    """Count the pixels of each value of a mask: (256,) int64."""
    return np.bincount(mask.ravel(), minlength=256)
