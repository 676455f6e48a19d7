"""Which images find the INT8 ranges, chosen so that the same folder gives the same set again."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeseg.dataset import Dataset, list_images
from edgeseg.errors import DataError, UserError
from edgeseg.files import sha256_of
from edgeseg.image import UInt8, fit, read_image
from edgeseg.spec import ModelSpec

FEW_IMAGES = 8


@dataclass(frozen=True)
class CalibrationSet:
    """The images of one calibration.

    Attributes:
        images: files, in the order they are shown to the network.
        hashes: SHA-256 of each file.
        skipped: a sentence for each file that was passed over.
        spec: gives the network input they are brought to.
        source: the folder they come from.
        split: the dataset split, or None for a plain folder.
        seed: what chose them.
    """

    images: tuple[Path, ...]
    hashes: tuple[str, ...]
    skipped: tuple[str, ...]
    spec: ModelSpec
    source: str
    split: str | None
    seed: int

    def __len__(self) -> int:
        return len(self.images)

    @property
    def policy(self) -> str:
        """How an image is brought to the network input."""
        spec = self.spec
        return f"{spec.height}x{spec.width}x{spec.channels} {spec.resize}"

    @property
    def digest(self) -> str:
        """SHA-256 over the contents, their order and the size policy; file names do not count."""
        return hashlib.sha256("\n".join((self.policy, *self.hashes)).encode()).hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting the ranges."""
        notes = [f"Skipped in calibration: {sentence}" for sentence in self.skipped]
        if len(self) < FEW_IMAGES:
            notes.append(
                f"Only {len(self)} calibration images: INT8 ranges come from what they show, and anything "
                f"brighter or busier is clipped. Give at least {FEW_IMAGES}, better 100."
            )
        return tuple(notes)

    def tensor(self, path: Path) -> UInt8:
        """One image as the (1, H, W, C) uint8 network input that the runtime makes of it."""
        return fit(read_image(path), self.spec)[np.newaxis]

    def describe(self) -> dict[str, object]:
        """What an artifact records about its calibration."""
        return {
            "digest": self.digest,
            "images": len(self),
            "skipped": len(self.skipped),
            "seed": self.seed,
            "policy": self.policy,
            "source": Path(self.source).name,
            "split": self.split,
        }


def calibration_set(
    path: Path,
    spec: ModelSpec,
    count: int = 100,
    seed: int = 0,
    on_image: Callable[[], object] = lambda: None,
) -> CalibrationSet:
    """Choose up to ``count`` readable images of a folder, or of a dataset's train split.

    Args:
        path: a folder of images, a data folder or its ``data.yaml``.
        spec: the network they are for.
        count: how many; fewer are taken when the folder has fewer.
        seed: chooses which.
        on_image: called once an image, for progress.

    Raises:
        UserError: ``count`` is under 1.
        DataError: no folder, or no readable image in it.
    """
    if count < 1:
        raise UserError(f"-n must be at least 1; found {count}.")
    folder, split = image_folder(path)
    candidates = list_images(folder)
    random.Random(seed).shuffle(candidates)
    chosen: dict[str, Path] = {}
    skipped: list[str] = []
    for candidate in candidates:
        if len(chosen) == count:
            break
        on_image()
        if (digest := _content(candidate, skipped)) is not None:
            chosen.setdefault(digest, candidate)
    if not chosen:
        raise DataError(f"None of the {len(candidates)} images in {folder} can be read. First: {skipped[0]}")
    return CalibrationSet(tuple(chosen.values()), tuple(chosen), tuple(sorted(skipped)), spec, str(path), split, seed)


def image_folder(path: Path) -> tuple[Path, str | None]:
    """The folder of images to calibrate on, and its split when ``path`` is a dataset."""
    if not is_dataset(path):
        return path, None
    folders = Dataset.open(path).folders
    split = "train" if "train" in folders else next(iter(folders))
    return folders[split][0], split


def is_dataset(path: Path) -> bool:
    """Whether ``path`` has the layout of a data folder, or is a ``data.yaml``."""
    return path.suffix in (".yaml", ".yml") or (path / "images").is_dir() or (path / "data.yaml").is_file()


def _content(path: Path, skipped: list[str]) -> str | None:
    """SHA-256 of a readable image; else None, and a sentence in ``skipped``."""
    try:
        read_image(path)
    except DataError as error:
        skipped.append(str(error))
        return None
    return sha256_of(path)
