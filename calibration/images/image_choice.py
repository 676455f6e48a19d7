"""Which of many image files calibrate: readable, no copies, the different ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.calibration.images.fingerprint import FLAT, NEAR, changes, fingerprint, is_flat
from edgeseg.errors import DataError
from edgeseg.files.atomic import file_sha256
from edgeseg.image import UInt8, read_image
from edgeseg.pixel_digest import pixel_digest

SHOWN = 5


@dataclass(frozen=True)
class PassedOver:
    """What was looked at and not simply taken, one entry an image.

    Attributes:
        unreadable: why each could not be decoded.
        constant: why each tells nothing.
        copies: sentences about files with the pixels of another one.
        near_copies: names of images that were taken though they nearly repeat another one.
    """

    unreadable: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    near_copies: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many images were passed over, by reason."""
        return {name: len(sentences) for name, sentences in self.to_dict().items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence a kind, with the first few images of it."""
        notes = []
        if self.unreadable:
            notes.append(f"Skipped in calibration, {len(self.unreadable)} unreadable: {_first(self.unreadable)}")
        if self.constant:
            notes.append(f"Skipped in calibration, {len(self.constant)} of one colour: {_first(self.constant)}")
        if self.near_copies:
            notes.append(
                f"{len(self.near_copies)} calibration images nearly repeat another one and add little: "
                f"{_first(self.near_copies, ', ')}. There were not enough different ones; add other scenes."
            )
        return tuple(notes)

    def with_left_out(self, paths: Sequence[Path]) -> PassedOver:
        """Add pictures of kinds that are not read."""
        told = [f"{path.name} is a picture of a kind that is not read; convert it to PNG." for path in paths]
        return replace(self, unreadable=(*self.unreadable, *told))

    def to_dict(self) -> dict[str, list[str]]:
        """Return plain values for JSON."""
        return {
            "unreadable": list(self.unreadable),
            "constant": list(self.constant),
            "copies": list(self.copies),
            "near_copies": list(self.near_copies),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PassedOver:
        """Read what :meth:`to_dict` gave."""
        return cls(**{name: tuple(map(str, sentences)) for name, sentences in values.items()})


def _first(entries: tuple[str, ...], joint: str = " ") -> str:
    more = len(entries) - SHOWN
    return joint.join(entries[:SHOWN]) + (f"{joint}(and {more} more)" if more > 0 else "")


@dataclass(frozen=True)
class ImageFile:
    """An image file of a calibration set.

    Attributes:
        path: where it is.
        digest: SHA-256 of its bytes.
        size: (height, width) in pixels.
    """

    path: Path
    digest: str
    size: tuple[int, int]

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    def read(self) -> UInt8:
        """Read the image as HWC uint8 BGR.

        Raises:
            DataError: it cannot be read any more.
        """
        return read_image(self.path)


@dataclass
class ImageChoice:
    """Takes images that differ; keeps near copies for when there are not enough others."""

    count: int
    _chosen: list[ImageFile] = field(default_factory=list)
    _reserve: list[ImageFile] = field(default_factory=list)
    _prints: list[UInt8] = field(default_factory=list)
    _first_of: dict[str, Path] = field(default_factory=dict)
    _unreadable: list[str] = field(default_factory=list)
    _constant: list[str] = field(default_factory=list)
    _copies: list[str] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """As many different images as wanted."""
        return len(self._chosen) == self.count

    @property
    def enough(self) -> bool:
        """As many as wanted, near copies included."""
        return len(self._chosen) + len(self._reserve) >= self.count

    def look(self, path: Path) -> None:
        """Decode one file and take it, keep it in reserve, or note why not."""
        try:
            image = read_image(path)
        except DataError as error:
            self._unreadable.append(str(error))
            return
        print_ = fingerprint(image)
        if is_flat(image, print_):
            color = "/".join(str(int(value)) for value in image[0, 0])
            self._constant.append(f"{path} is one colour (BGR {color}, within {FLAT} levels); it shows no range.")
        elif (first := self._first_of.setdefault(pixel_digest(image), path)) != path:
            self._copies.append(f"{path} has the pixels of {first.name}.")
        else:
            self._take(ImageFile(path, file_sha256(path), (image.shape[0], image.shape[1])), print_)

    def _take(self, file: ImageFile, print_: UInt8) -> None:
        if self._prints and float(changes(print_, np.stack(self._prints)).min()) < NEAR:
            self._reserve.append(file)
            return
        self._chosen.append(file)
        self._prints.append(print_)

    def result(self) -> tuple[tuple[ImageFile, ...], PassedOver]:
        """Return at most ``count`` files, those from the reserve last, and what became of the others."""
        filled = self._reserve[: self.count - len(self._chosen)]
        passed_over = PassedOver(
            tuple(sorted(self._unreadable)),
            tuple(sorted(self._constant)),
            tuple(sorted(self._copies)),
            tuple(sorted(file.name for file in filled)),
        )
        return (*self._chosen, *filled), passed_over
