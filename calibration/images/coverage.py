"""How much of what a network will meet the calibration images show.

Brightness, contrast and colour of the calibration images are compared with those of training or
evaluation images by their *range coverage* and *spread* (``image_traits.py`` says what these
are, and why). Where masks exist, the pixels of each class are counted in both: a class that
calibration never saw has channels whose ranges were set by other things.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.calibration.images.calibration_set import FEW_IMAGES, CalibrationSet
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.image import UInt8
from edgeseg.image_traits import COLOR_TRAITS, GREY_TRAITS, LEAST_INSIDE, Trait, measure_traits
from edgeseg.masks.census import count_shown, value_counts
from edgeseg.masks.mask_values import GivenValues
from edgeseg.proof.samples import Samples, UnreadableImageError
from edgeseg.spec import ModelSpec

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

MOST_REFERENCE = 300


@dataclass(frozen=True)
class ClassPixels:
    """How often a class occurs, as a share of the pixels that count; None where there are no masks.

    Attributes:
        images: calibration images with the class in them, or None.
    """

    name: str
    images: int | None
    calibration: float | None
    reference: float | None

    @property
    def missing(self) -> bool:
        """Known to be absent from the calibration images, and not known to be absent from the reference."""
        return self.images == 0 and self.reference != 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "images": self.images,
            "calibration": self.calibration,
            "reference": self.reference,
        }


@dataclass(frozen=True)
class Coverage:
    """What calibration images show, against those the network was made for.

    Attributes:
        images: how many calibrate.
        source: where they come from.
        reference_images: how many they were compared with; 0 for none.
        reference_source: where those come from, empty for none.
        traits: what the images look like.
        classes: what is in them; empty where neither side has masks.
        notes: what could not be counted, and why.
    """

    images: int
    source: str
    reference_images: int
    reference_source: str
    traits: tuple[Trait, ...]
    classes: tuple[ClassPixels, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence with its reason for everything that makes the set thin."""
        return _thin_reasons(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "images": self.images,
            "source": self.source,
            "reference_images": self.reference_images,
            "reference_source": self.reference_source,
            "traits": [trait.to_dict() for trait in self.traits],
            "classes": [one.to_dict() for one in self.classes],
            "warnings": list(self.warnings),
        }


def measure_coverage(
    images: CalibrationSet,
    reference: Samples | None = None,
    ignore_index: int | None = None,
    on_image: Callable[[], object] = lambda: None,
    mask_values: GivenValues | None = None,
) -> Coverage:
    """Look at every calibration image, and at up to 300 reference images.

    Args:
        images: what calibrates. Where it is a split of a data folder, its masks are counted.
        reference: training or evaluation images, with masks or without; None: no comparison.
        ignore_index: mask value that does not count; None: the reference's, else the model's.
        on_image: called once an image, for progress.
        mask_values: what mask values mean; None: as the reference's, else as the data says it.

    Raises:
        DataError: a calibration image cannot be read any more, or reference masks do not fit.
    """
    if ignore_index is None:
        ignore_index = images.spec.ignore_index if reference is None else reference.ignore_index
    if mask_values is None and reference is not None:
        mask_values = reference.mask_values
    compared = _Tally(images.spec, ignore_index)
    for sample in () if reference is None else reference.spread(MOST_REFERENCE):
        on_image()
        compared.add_sample(sample.read)
    own = _Tally(images.spec, ignore_index)
    masks = _masks(images, (ignore_index, mask_values), own.notes)
    for item in images.items:
        on_image()
        image = item.read()
        own.add(image, masks(item.path, image) if masks else None)
    return Coverage(
        len(images),
        _name_source(images.source, images.split),
        len(compared.rows),
        _name_source(reference.source, reference.split) if reference is not None and compared.rows else "",
        _traits(own, compared),
        _classes(own, compared, images.spec),
        (*own.notes, *compared.notes),
    )


class _Tally:
    """Traits and class pixels of many images."""

    def __init__(self, spec: ModelSpec, ignore_index: int | None) -> None:
        self.names = GREY_TRAITS if spec.channels == 1 else (*GREY_TRAITS, *COLOR_TRAITS)
        self.rows: list[tuple[float, ...]] = []
        self.notes: list[str] = []
        self.pixels: Int64 = np.zeros(spec.num_classes, np.int64)
        self.images_with: Int64 = np.zeros(spec.num_classes, np.int64)
        self.masks, self.counted = 0, 0
        self._several = spec.task == "multilabel"
        self._ignore_index = ignore_index

    def add(self, image: UInt8, mask: UInt8 | None) -> None:
        self.rows.append(measure_traits(image, self.names))
        if mask is None:
            return
        counts = value_counts(mask)
        if self._ignore_index is not None:
            counts[self._ignore_index] = 0
        shown = count_shown(counts, len(self.pixels)) if self._several else counts[: len(self.pixels)]
        self.pixels += shown
        self.images_with += shown > 0
        self.counted += int(counts.sum())
        self.masks += 1

    def add_sample(self, read: Callable[[], tuple[UInt8, UInt8 | None]]) -> None:
        try:
            self.add(*read())
        except UnreadableImageError as error:
            self.notes.append(f"A reference image was left out: {error}")

    @property
    def shares(self) -> Float64 | None:
        """Share of the pixels of each class; None without masks."""
        return self.pixels / max(1, self.counted) if self.masks else None


def _masks(
    images: CalibrationSet, reading: tuple[int | None, GivenValues | None], notes: list[str]
) -> Callable[[Any, UInt8], UInt8 | None] | None:
    """A function from an image of the set to its mask; None when the set comes from no data folder."""
    if images.split is None:
        return None
    try:
        dataset = Dataset.open(images.source, *reading, images.spec)
        pairs = {pair.image.resolve(): pair for pair in dataset.pairs(images.split)}
    except DataError as error:
        notes.append(f"Classes were not counted: {error}")
        return None
    if dataset.classes != images.spec.classes:
        notes.append(
            f"Classes were not counted: {images.source} has {', '.join(dataset.classes)}, "
            f"the model {', '.join(images.spec.classes)}."
        )
        return None

    def read_mask_for(path: Any, image: UInt8) -> UInt8 | None:
        try:
            return dataset.read_mask(pairs[path.resolve()], image)
        except (DataError, KeyError) as error:
            notes.append(f"The mask of {path.name} was not counted: {error}")
            return None

    return read_mask_for


def _traits(own: _Tally, compared: _Tally) -> tuple[Trait, ...]:
    columns = itertools.zip_longest(
        own.names, zip(*own.rows, strict=True), zip(*compared.rows, strict=True), fillvalue=()
    )
    return tuple(Trait(str(name), tuple(mine), tuple(theirs)) for name, mine, theirs in columns)


def _classes(own: _Tally, compared: _Tally, spec: ModelSpec) -> tuple[ClassPixels, ...]:
    if not own.masks and not compared.masks:
        return ()
    mine, theirs = own.shares, compared.shares
    return tuple(
        ClassPixels(
            name,
            int(own.images_with[i]) if own.masks else None,
            None if mine is None else float(mine[i]),
            None if theirs is None else float(theirs[i]),
        )
        for i, name in enumerate(spec.classes)
    )


def _name_source(source: str, split: str | None) -> str:
    name = source.rstrip("/").rsplit("/", 1)[-1] or source
    return f"{name} ({split})" if split else name


def _thin_reasons(coverage: Coverage) -> tuple[str, ...]:
    """A sentence with its reason for everything that makes the set thin."""
    few = [_about_few(coverage.images)] if coverage.images < FEW_IMAGES else []
    traits = [_about_trait(trait, coverage.reference_source) for trait in coverage.traits if trait.thin]
    return (*few, *traits, *_about_classes(coverage), *coverage.notes)


def _about_few(count: int) -> str:
    return (
        f"{count} images are few: even {FEW_IMAGES} random ones leave about a fifth of what the network "
        "meets outside their range. Give 100."
    )


def _about_trait(trait: Trait, reference: str) -> str:
    inside, spread = trait.inside or 0.0, trait.spread or 0.0
    if inside < LEAST_INSIDE:
        return (
            f"{trait.name}: {inside:.0%} of the images of {reference} lie between the calibration images "
            f"({min(trait.calibration):.0f} to {max(trait.calibration):.0f}); they reach from "
            f"{min(trait.reference):.0f} to {max(trait.reference):.0f}, and what lies outside may be clipped."
        )
    return f"{trait.name}: most calibration images are alike; they spread {spread:.0%} as wide as {reference} does."


def _about_classes(coverage: Coverage) -> tuple[str, ...]:
    def told(one: ClassPixels) -> str:
        if one.reference:
            return f"{one.name} ({percent(one.reference)} of the pixels of {coverage.reference_source})"
        return one.name

    missing = [told(one) for one in coverage.classes if one.missing]
    if not missing:
        return ()
    return (f"classes in no calibration image: {', '.join(missing)}. Add images that show them.",)


def percent(share: float | None) -> str:
    """Word a share of 0..1 in percent; ``-`` for None."""
    if share is None:
        return "-"
    return f"{100 * share:.2f} %" if 0 < share < 0.01 else f"{100 * share:.1f} %"
