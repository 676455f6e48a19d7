"""The masks of the reference, kept with the proof, so that what changed can be counted again without the reference."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from edgeseg.errors import ArtifactError
from edgeseg.image import UInt8

LIMIT_BYTES = 16 << 20
LIMIT_PIXELS = 1 << 28
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass
class KeptMasks:
    """Label maps as PNG, in the order in which the images were compared, as far as they take a bounded place.

    Attributes:
        limit_bytes: of all of them together; more, and none is kept.
        is_whole: none had to be dropped.

    >>> kept = KeptMasks()
    >>> kept.add(np.uint8([[0, 1], [2, 255]]))
    >>> [mask.tolist() for mask in read_masks(kept.to_zip(), 1)]
    [[[0, 1], [2, 255]]]
    """

    limit_bytes: int = LIMIT_BYTES
    is_whole: bool = True
    _files: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self._files)

    def add(self, labels: UInt8) -> None:
        """Keep HW uint8 labels, or drop all when they become too many."""
        if not self.is_whole:
            return
        file = cv2.imencode(".png", labels)[1].tobytes()
        self._files.append(file)
        self._bytes += len(file)
        if self._bytes > self.limit_bytes:
            self.is_whole = False
            self._files.clear()

    def to_zip(self) -> bytes:
        """Give a ZIP of ``00000.png``, ``00001.png`` ..., the same bytes for the same masks."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for number, file in enumerate(self._files):
                archive.writestr(zipfile.ZipInfo(f"{number:05}.png", _MOMENT), file)
        return packed.getvalue()


def read_masks(packed: bytes, count: int) -> Iterator[UInt8]:
    """Read the masks of :meth:`KeptMasks.to_zip`, HW uint8 each.

    Raises:
        ArtifactError: these are not ``count`` masks.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for number in range(count):
                file = archive.getinfo(f"{number:05}.png")
                if file.file_size > LIMIT_BYTES:
                    raise ArtifactError(f"The kept mask {file.filename} has {file.file_size} bytes. Export it again.")
                yield _decode(archive.read(file))
    except (KeyError, zipfile.BadZipFile, OSError, ValueError, cv2.error) as error:
        raise ArtifactError(f"The kept masks cannot be read ({error}). Export the model again.") from None


def _decode(file: bytes) -> UInt8:
    mask = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8 or mask.size > LIMIT_PIXELS:
        raise ValueError("one of them is no mask")
    return np.asarray(mask, np.uint8)
