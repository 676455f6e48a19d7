"""What each image adds to the scores of a form of a model: enough to score any choice of the images again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.metrics.boundary_iou import BoundaryIoU
from edgeseg.metrics.confusion import Confusion

Int64 = npt.NDArray[np.int64]
PARTS = ("hits", "truth", "predicted", "intersection", "union")


@dataclass
class ImageCounts:
    """Pixels of every image by class, in the order in which the images were counted.

    Of the confusion matrix its diagonal and its sums are kept, which is all that IoU needs: of 150 classes it is
    3 values a class and image in place of 151.

    Attributes:
        names: of the images.
        digests: SHA-256 of each image's pixels, see :func:`edgeseg.pixel_digest.pixel_digest`.
        changed, pixels: how many pixels have another label than the reference, of how many.
        rows: for each image (5, K) int64, as :data:`PARTS` names them: right, true and predicted pixels of each
            class, and the intersection and the union of its outlines.
        objects: for each image (3, K) int64 of :func:`~edgeseg.metrics.class_changes.count_objects` where there are no
            masks; else empty.
        answers: a digest of all that was said of each image, labels and confidence: where it is the same again, so is
            everything that was counted.
    """

    names: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)
    rows: list[Int64] = field(default_factory=list)
    objects: list[Int64] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def add(self, name: str, digest: str, changed: tuple[int, int], areas: Confusion, outlines: BoundaryIoU) -> None:
        """Add what one image alone gave; ``changed`` is of how many pixels."""
        self.names.append(name)
        self.digests.append(digest)
        self.changed.append(changed[0])
        self.pixels.append(changed[1])
        parts = (areas.hits, areas.truth, areas.predicted, outlines.intersection, outlines.union)
        self.rows.append(np.array(parts, np.int64))

    @property
    def table(self) -> Int64:
        """All of it as (N, 5, K) int64."""
        return np.array(self.rows, np.int64)

    def part(self, name: str) -> Int64:
        """Give one of :data:`PARTS` of every image, (N, K) int64."""
        return np.asarray(self.table[:, PARTS.index(name)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        listed = {name: list(getattr(self, name)) for name in ("names", "digests", "changed", "pixels", "answers")}
        return {**listed, **{name: [row.tolist() for row in getattr(self, name)] for name in ("rows", "objects")}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageCounts:
        """Read what :meth:`to_dict` gave."""
        names, digests, changed, pixels = (list(values[name]) for name in ("names", "digests", "changed", "pixels"))
        rows, objects = ([np.array(row, np.int64) for row in values[name]] for name in ("rows", "objects"))
        return cls(names, digests, changed, pixels, rows, objects, list(values.get("answers", ())))
