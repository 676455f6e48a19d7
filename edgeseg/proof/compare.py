"""Masks of several stages of one model, compared from the image file on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeseg.console.progress import Tick
from edgeseg.errors import DataError
from edgeseg.image import UInt8
from edgeseg.metrics.boundary_iou import BoundaryIoU
from edgeseg.metrics.class_changes import count_objects
from edgeseg.metrics.confusion import Confusion, Float64, Int64
from edgeseg.metrics.image_counts import ImageCounts
from edgeseg.metrics.multilabel import make_boundary, make_confusion
from edgeseg.pixel_digest import pixel_digest
from edgeseg.proof.confidence import ConfidenceScore
from edgeseg.proof.kept_masks import KeptMasks
from edgeseg.proof.samples import Sample, Samples, UnreadableImageError
from edgeseg.proof.stage import Stage, answer_digest
from edgeseg.runtime.engines.predictor import Examined
from edgeseg.runtime.measure.recorded import AS_SHOWN
from edgeseg.runtime.tiles.seams import TileRecord
from edgeseg.spec import ModelSpec, default_ignore_index


@dataclass
class StageScore:
    """What one stage's masks are worth.

    Attributes:
        name: the stage.
        confusion: against the truth, or against the reference where there is no truth.
        boundary: the same for the outlines.
        images: what each image alone gave; ``confusion`` and ``boundary`` are the sums of it.
        confidence: how far the confidence can be believed, and lies from the reference's; None where nobody asked.
    """

    name: str
    confusion: Confusion
    boundary: BoundaryIoU
    images: ImageCounts = field(default_factory=ImageCounts)
    confidence: ConfidenceScore | None = None

    @property
    def pixels(self) -> int:
        """How many pixels were compared with the reference's."""
        return sum(self.images.pixels)

    @property
    def equal(self) -> int:
        """How many of them have the reference's label."""
        return self.pixels - sum(self.images.changed)

    @property
    def differing(self) -> dict[str, float]:
        """Part of each image (0..1) whose labels differ from the reference, without those that do not differ."""
        counted = self.images
        shares = zip(counted.names, counted.changed, counted.pixels, strict=True)
        return {name: changed / pixels for name, changed, pixels in shares if changed}

    @property
    def worst(self) -> float:
        """Largest part of an image whose labels differ from the reference, 0..1."""
        return max(self.differing.values(), default=0.0)

    @property
    def worst_image(self) -> str:
        """The image of :attr:`worst`, or empty."""
        differing = self.differing
        return max(differing, key=differing.__getitem__, default="")

    @property
    def agreement(self) -> float:
        """Part of all pixels that have the reference's label, 0..1; NaN when nothing was compared."""
        return self.equal / self.pixels if self.pixels else float("nan")

    def count(self, labels: UInt8, reference: UInt8, truth: UInt8, image: tuple[str, str]) -> None:
        """Add one image.

        Args:
            labels: of this stage, HW uint8.
            reference: the reference's.
            truth: the masks to score against.
            image: its name, and the digest of its pixels.
        """
        areas = type(self.confusion)(self.confusion.num_classes, self.confusion.ignore_index)
        outlines = type(self.boundary)(self.boundary.num_classes, self.boundary.ignore_index)
        areas.update(labels, truth)
        outlines.update(labels, truth)
        self.confusion.add(areas)
        self.boundary.add(outlines)
        changed = int(np.count_nonzero(labels != reference))
        self.images.add(*image, (changed, labels.size), areas, outlines)


@dataclass
class Comparison:
    """Scores of every stage; the first one is the reference.

    Attributes:
        stages: in the order they were given.
        classes: names, for the per-class IoU.
        labelled: IoU is against masks; else against the reference's own masks.
        source, split: where the images come from.
        images: how many were compared.
        skipped: a sentence for each unreadable image.
        labels_seen: labels the reference gave anywhere.
        looks: how many models were held against these images before one of them was taken.
        tiles: by stage, how pictures were cut into tiles and whether seams show; empty where they were resized.
        proof_note: a sentence when a stage ran in a stand-in for its engine, else empty.
    """

    stages: list[StageScore]
    classes: tuple[str, ...]
    labelled: bool
    source: str
    split: str | None
    images: int = 0
    skipped: list[str] = field(default_factory=list)
    labels_seen: set[int] = field(default_factory=set)
    proof_note: str = ""
    looks: int = 1
    tiles: dict[str, TileRecord] = field(default_factory=dict)

    @property
    def reference(self) -> StageScore:
        """The first stage, against which the others are compared."""
        return self.stages[0]

    @property
    def unseen(self) -> tuple[str, ...]:
        """Names of the classes that no mask shows; without masks, of those that the reference never gives."""
        shown = self.reference.confusion.truth > 0
        return tuple(name for name, seen in zip(self.classes, shown, strict=True) if not seen)

    @property
    def drop_of(self) -> str:
        """What :meth:`drop` counts: ``mIoU``, or ``pixels`` where there are no masks."""
        return "mIoU" if self.labelled else "pixels"

    def drop(self, stage: StageScore) -> float:
        """Compute the points (0..100) that a stage lost against the reference; NaN when unknown.

        With masks, points of mIoU. Without, the percentage of pixels whose label changed: the mIoU
        between two good masks says little, since a class of a few pixels decides it (measured: 0.35
        points lost against the truth, 1 % of pixels changed, yet 11.6 points of mIoU between them).
        """
        if not self.labelled:
            return 100 * (1 - stage.agreement)
        return 100 * (self.reference.confusion.mean_iou - stage.confusion.mean_iou)

    def class_drops(self, stage: StageScore) -> Float64:
        """Compute points of IoU lost by each class, (K,); NaN for a class that the truth does not show."""
        lost = 100 * (self.reference.confusion.iou - stage.confusion.iou)
        shown = stage.confusion.truth > 0
        return np.where(shown, lost, np.nan)

    def boundary_drop(self, stage: StageScore) -> float:
        """Compute the points of mean boundary IoU that a stage lost; NaN when unknown."""
        return 100 * (self.reference.boundary.mean_iou - stage.boundary.mean_iou)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what could not be measured is None."""
        return {
            "images": self.images,
            "skipped": len(self.skipped),
            "source": self.source,
            "split": self.split,
            "iou_against": "masks" if self.labelled else f"masks of {self.reference.name}",
            "reference": self.reference.name,
            "drop_of": self.drop_of,
            "masks": AS_SHOWN,
            "proof_note": self.proof_note,
            "stages": {stage.name: self._stage_dict(stage) for stage in self.stages},
            **({"tiles": {name: record.to_dict() for name, record in self.tiles.items()}} if self.tiles else {}),
        }

    def _stage_dict(self, stage: StageScore) -> dict[str, Any]:
        return {
            "agreement": finite(stage.agreement),
            "worst_image_disagreement": stage.worst,
            "mean_iou": finite(stage.confusion.mean_iou),
            "iou": {name: finite(v) for name, v in zip(self.classes, stage.confusion.iou, strict=True)},
            "drop_points": finite(self.drop(stage)),
            "mean_boundary_iou": finite(stage.boundary.mean_iou),
            "boundary_iou": {name: finite(v) for name, v in zip(self.classes, stage.boundary.iou, strict=True)},
            "boundary_drop_points": finite(self.boundary_drop(stage)),
            "confidence": stage.confidence and stage.confidence.describe(self.classes),
        }


def compare(
    stages: Sequence[Stage],
    samples: Samples,
    spec: ModelSpec,
    tick: Tick = lambda: None,
    masks: KeptMasks | None = None,
) -> Comparison:
    """Run every stage on every image.

    Args:
        stages: forms of one model, the reference first.
        samples: images, with masks or without.
        spec: names the classes.
        tick: called once an image.
        masks: keeps the reference's labels.

    Raises:
        DataError: none of the images can be read, or a mask contradicts the classes.

    >>> from edgeseg.proof.samples import synthetic_samples
    >>> spec = ModelSpec("multiclass", ("sky", "road"), 64, 64)
    >>> fp32 = Stage("fp32", lambda image: (image[..., 0] < 128).astype(np.uint8))
    >>> int8 = Stage("int8", lambda image: (image[..., 0] < 126).astype(np.uint8))
    >>> found = compare([fp32, int8], synthetic_samples(spec), spec)
    >>> found.images, found.drop_of, f"{found.drop(found.stages[1]):.0f}"
    (6, 'pixels', '1')
    """
    ignored = samples.ignore_index if samples.labelled else default_ignore_index(spec.task, spec.num_classes)
    scores = [begin_score(stage.name, spec, ignored) for stage in stages]
    result = Comparison(scores, spec.classes, samples.labelled, samples.source, samples.split)
    result.tiles = {stage.name: stage.tiles for stage in stages if stage.tiles is not None}
    for sample in samples:
        tick()
        if (pair := _read(sample, result.skipped)) is not None:
            answers = [stage.answer(pair[0]) for stage in stages]
            if masks is not None:
                masks.add(answers[0].labels)
            _count(answers, result, spec, sample.name, *pair)
    if not result.images:
        raise DataError(f"None of the {len(samples)} images of {samples.source} can be read. {result.skipped[0]}")
    return result


def begin_score(name: str, spec: ModelSpec, ignored: int | None) -> StageScore:
    """Make the score of a stage that has counted nothing yet.

    >>> begin_score("int8", ModelSpec("multiclass", ("sky", "road"), 64, 64), 255).pixels
    0
    """
    areas = make_confusion(spec.task, spec.num_classes, ignored)
    outlines = make_boundary(spec.task, spec.num_classes, ignored)
    return StageScore(name, areas, outlines, confidence=ConfidenceScore.of(spec))


def _count(
    answers: Sequence[Examined], result: Comparison, spec: ModelSpec, name: str, image: UInt8, mask: UInt8 | None
) -> None:
    digest, reference = pixel_digest(image), answers[0]
    truth = reference.labels if mask is None else mask
    for score, found in zip(result.stages, answers, strict=True):
        score.count(found.labels, reference.labels, truth, (name, digest))
        score.images.answers.append(answer_digest(found))
        if score.confidence is not None:
            score.confidence.count(found, reference, mask, score.confusion.ignore_index)
        if mask is None and score is not result.reference:
            score.images.objects.append(count_changes(reference.labels, found.labels, spec))
    result.labels_seen.update(int(v) for v in np.unique(reference.labels))
    result.images += 1


def count_changes(reference: UInt8, labels: UInt8, spec: ModelSpec) -> Int64:
    """Count the objects of each class, and those that went and came, (3, K) int64, in HW uint8 labels."""
    return count_objects(reference, labels, spec.num_classes, spec.height * spec.width, spec.task)


def _read(sample: Sample, skipped: list[str]) -> tuple[UInt8, UInt8 | None] | None:
    """Image and mask; an image that cannot be read is skipped, a wrong mask is an error."""
    try:
        return sample.read()
    except UnreadableImageError as error:
        skipped.append(str(error))
        return None


def finite(value: float) -> float | None:
    """Return the value, or None for NaN and infinity, which JSON does not have.

    >>> finite(0.5), finite(float("nan"))
    (0.5, None)
    """
    return float(value) if np.isfinite(value) else None
