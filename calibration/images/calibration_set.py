"""Which images find the INT8 ranges, chosen so that the same images give the same set again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from edgeseg.aspect import warn_of_stretch
from edgeseg.calibration.images.image_choice import ImageFile, PassedOver
from edgeseg.calibration.images.video_frames import VideoFrame
from edgeseg.image import UInt8, fit
from edgeseg.spec import ModelSpec

FEW_IMAGES = 8
STRETCH_ADVICE = (
    "That is right only where training and the camera do the same; else crop them, or train with `resize='letterbox'`."
)

Item = ImageFile | VideoFrame


@dataclass(frozen=True)
class CalibrationSet:
    """The images of one calibration.

    Attributes:
        items: files or frames, in the order they are shown to the network; each has ``name``,
            ``path``, ``digest``, ``size`` and ``read()``.
        spec: gives the network input they are brought to.
        source: the folder, glob, data folder or video they come from.
        split: the dataset split, or None for anything else.
        seed: what chose them.
        passed_over: what was looked at and not simply taken.
    """

    items: tuple[Item, ...]
    spec: ModelSpec
    source: str
    split: str | None
    seed: int
    passed_over: PassedOver = field(default_factory=PassedOver)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def images(self) -> tuple[Path, ...]:
        """A path for each item, for :meth:`tensor`; that of a video frame names it and is no file."""
        return tuple(item.path for item in self.items)

    @property
    def hashes(self) -> tuple[str, ...]:
        """SHA-256 of each item."""
        return tuple(item.digest for item in self.items)

    @property
    def skipped(self) -> tuple[str, ...]:
        """A sentence for each image that could not be used."""
        return (*self.passed_over.unreadable, *self.passed_over.constant)

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
        notes = list(self.passed_over.warnings)
        sizes = [(_file(item).name, item.size) for item in self.items]
        if stretched := warn_of_stretch(sizes, self.spec, "calibration", STRETCH_ADVICE):
            notes.append(stretched)
        if len(self) < FEW_IMAGES:
            notes.append(
                f"Only {len(self)} calibration images: INT8 ranges come from what they show, and anything "
                f"brighter or busier is clipped. Give at least {FEW_IMAGES}, better 100."
            )
        return tuple(notes)

    def tensor(self, path: Path) -> UInt8:
        """Read one of :attr:`images` as the (1, H, W, C) uint8 network input that the runtime makes of it."""
        return fit(self._by_path[path].read(), self.spec)[np.newaxis]

    @cached_property
    def _by_path(self) -> dict[Path, Item]:
        return {item.path: item for item in self.items}

    def describe(self) -> dict[str, object]:
        """Return what an artifact records about its calibration."""
        return {
            "digest": self.digest,
            "images": len(self),
            "skipped": len(self.skipped),
            "passed_over": self.passed_over.counts,
            "seed": self.seed,
            "policy": self.policy,
            "source": Path(self.source).name,
            "split": self.split,
        }


def _file(item: Item) -> Path:
    return item.video if isinstance(item, VideoFrame) else item.path
