"""Scores of a predictor on labelled images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset, Pair
from edgeseg.errors import DataError
from edgeseg.given import checked
from edgeseg.image import UInt8, read_image
from edgeseg.masks.mask_values import GivenValues
from edgeseg.metrics.boundary_iou import BoundaryIoU
from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.multilabel import make_boundary, make_confusion, make_sizes
from edgeseg.metrics.size_iou import SizeIoU
from edgeseg.runtime.tiles.seams import TileRecord
from edgeseg.spec import ModelSpec

Predict = Callable[[UInt8], UInt8]
"""HWC uint8 BGR image to HW uint8 labels of the image's size."""


@dataclass
class Evaluation:
    """What a predictor is worth on one split.

    Attributes:
        classes: names in label order.
        confusion: counts over all images.
        boundary: the same for the outlines.
        sizes: the same object by object, or None where it was not asked for.
        images: how many were scored.
        skipped: a sentence for each image that could not be read.
        data: the data folder.
        split: of it.
        ignore_index: mask value that was not scored.
        tiles: how images were cut into tiles, and whether seams show; None where they were resized.
    """

    classes: tuple[str, ...]
    confusion: Confusion
    boundary: BoundaryIoU
    sizes: SizeIoU | None = None
    images: int = 0
    skipped: list[str] = field(default_factory=list)
    data: str = ""
    split: str = ""
    ignore_index: int | None = None
    tiles: TileRecord | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for everything that the scores cannot tell."""
        truth, found = self.confusion.truth, self.confusion
        unseen = [name for name, pixels in zip(self.classes, truth, strict=True) if not pixels]
        notes = [f"no mask shows {', '.join(unseen)}: nothing is known of that"] if unseen else []
        if found.constant_iou is not None and found.mean_iou <= found.constant_iou:
            notes.append(
                f"mIoU {found.mean_iou:.4f} is no better than one label everywhere ({found.constant_iou:.4f}): are the "
                "order of the classes, `mean`, `std` and `color_order` right?"
            )
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, scores in 0..1; what does not occur is None."""
        confusion = self.confusion
        return {
            "images": self.images,
            "skipped": self.skipped,
            "notes": list(self.notes),
            "mean_iou": finite(confusion.mean_iou),
            "mean_dice": finite(confusion.mean_dice),
            "mean_boundary_iou": finite(self.boundary.mean_iou),
            "pixel_accuracy": finite(confusion.pixel_accuracy),
            "iou": self._by_class(confusion.iou.tolist()),
            "boundary_iou": self._by_class(self.boundary.iou.tolist()),
            "dice": self._by_class(confusion.dice.tolist()),
            "by_size": self.sizes and self.sizes.to_dict(),
            "confusion": confusion.counts.tolist(),
            **({"tiles": self.tiles.to_dict()} if self.tiles else {}),
        }

    def _by_class(self, values: list[float]) -> dict[str, float | None]:
        return {name: finite(value) for name, value in zip(self.classes, values, strict=True)}


def evaluate(
    predict: Predict,
    dataset: Dataset,
    split: str,
    *,
    by_size: bool = False,
    pairs: Sequence[Pair] | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Run ``predict`` on every image of a split and count its labels against the masks.

    Images that cannot be read are skipped and listed. Scores are at the image's own size.

    Args:
        predict: for example a :class:`edgeseg.runtime.engines.predictor.Predictor`.
        dataset, split: the labelled images.
        by_size: score object by object, too, which costs about 5 ms a class for an image of 360x480.
        pairs: of the dataset, to be scored in the place of the whole split.
        progress: called once an image.

    Raises:
        DataError: a mask is unreadable, of another size or holds a value outside the classes (the
            message names file and value); masks are missing, or cannot judge (:mod:`edgeseg.masks.judge`);
            or no image can be read.
    """
    result = _no_pixels_error(dataset, by_size)
    result.data, result.split, result.ignore_index = str(dataset.root), split, dataset.ignore_index
    if pairs is None:
        pairs = dataset.pairs(split)
        if left_out := dataset.left_out(split):
            result.skipped.append(left_out)
    dataset.check_masks(split, pairs)
    for pair in pairs:
        progress()
        if (found := _read(dataset, pair, result.skipped)) is not None:
            image, mask = found
            labels = predict(image)
            result.confusion.update(labels, mask)
            result.boundary.update(labels, mask)
            if result.sizes is not None:
                result.sizes.update(labels, mask)
            result.images += 1
    if not result.images:
        raise DataError(f"None of the {len(pairs)} images of split {split!r} can be read. {result.skipped[0]}")
    return result


def _no_pixels_error(dataset: Dataset, by_size: bool) -> Evaluation:
    task, classes, ignored = dataset.task or "", len(dataset.classes), dataset.ignore_index
    sizes = make_sizes(task, dataset.classes, ignored) if by_size else None
    areas, outlines = make_confusion(task, classes, ignored), make_boundary(task, classes, ignored)
    return Evaluation(dataset.classes, areas, outlines, sizes)


def _read(dataset: Dataset, pair: Pair, skipped: list[str]) -> tuple[UInt8, UInt8] | None:
    """Image and mask; a bad image is skipped, a bad mask is an error."""
    try:
        image = read_image(pair.image)
    except DataError as error:
        skipped.append(str(error))
        return None
    return image, dataset.read_mask(pair, image)


@checked
def open_dataset(
    path: Path, artifact: Artifact, ignore_index: int | None = None, mask_values: GivenValues | None = None
) -> Dataset:
    """Open a data folder whose classes are the artifact's.

    Args:
        path: data folder or ``data.yaml``.
        artifact: its spec's ignore index is used when none is given.
        ignore_index: mask value that is not scored.
        mask_values: what mask values mean, ``255=road``; None: as the data says it.

    Raises:
        DataError: no data folder, or other classes than the artifact's.
    """
    spec = artifact.spec
    dataset = Dataset.open(path, ignore_index, mask_values, spec)
    expect_classes(dataset, spec, artifact.path.name)
    return dataset


@checked
def expect_classes(dataset: Dataset, spec: ModelSpec, name: str) -> None:
    """Raise DataError when a dataset has other classes than a model, or another order of them."""
    dataset.expect_task(spec.task)
    if dataset.classes != spec.classes:
        raise DataError(
            f"{dataset.root} has the classes {', '.join(dataset.classes)}, but {name} has "
            f"{', '.join(spec.classes)}. A model is scored on data with its own classes in its own order."
        )


def finite(value: float) -> float | None:
    """Return the value, or None for NaN and infinity, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
