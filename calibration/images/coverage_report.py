"""The tables and the sentences of a coverage report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.calibration.images.calibration_set import FEW_IMAGES
from edgeseg.image_traits import LEAST_INSIDE, Trait

if TYPE_CHECKING:
    from edgeseg.calibration.images.coverage import ClassPixels, Coverage


def coverage_text(coverage: Coverage) -> str:
    """The tables for a terminal."""
    reference = f" against {coverage.reference_images} of {coverage.reference_source}"
    head = f"Coverage of {coverage.images} calibration images of {coverage.source}"
    parts = [head + (reference if coverage.reference_images else ""), _trait_table(coverage)]
    if coverage.classes:
        parts.append(_class_table(coverage.classes))
    if not coverage.reference_images:
        parts.append("compared with nothing: --eval-data DIR compares these images with those the network will meet")
    parts.extend(f"thin: {sentence}" for sentence in coverage.warnings)
    return "\n".join(parts)


def thin_reasons(coverage: Coverage) -> tuple[str, ...]:
    """A sentence with its reason for everything that makes the set thin."""
    few = [_about_few(coverage.images)] if coverage.images < FEW_IMAGES else []
    traits = [_about_trait(trait, coverage.reference_source) for trait in coverage.traits if trait.thin]
    return (*few, *traits, *_about_classes(coverage))


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
            return f"{one.name} ({_percent(one.reference)} of the pixels of {coverage.reference_source})"
        return one.name

    missing = [told(one) for one in coverage.classes if one.missing]
    if not missing:
        return ()
    return (f"classes in no calibration image: {', '.join(missing)}. Add images that show them.",)


def _trait_table(coverage: Coverage) -> str:
    header = ["", "calibration", "median"]
    rows = [[trait.name, *_range_and_median(trait.calibration)] for trait in coverage.traits]
    if coverage.reference_images:
        header += ["reference", "median", "range coverage", "spread"]
        for row, trait in zip(rows, coverage.traits, strict=True):
            row += [*_range_and_median(trait.reference), f"{trait.inside or 0:.0%}", f"{trait.spread or 0:.2f}"]
    return _table([header, *rows])


def _class_table(classes: Sequence[ClassPixels]) -> str:
    rows = [
        [one.name, "-" if one.images is None else str(one.images), _percent(one.calibration), _percent(one.reference)]
        for one in classes
    ]
    return _table([["class", "images", "calibration px", "reference px"], *rows])


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


def _range_and_median(values: tuple[float, ...]) -> tuple[str, str]:
    return f"{min(values):.0f} .. {max(values):.0f}", f"{np.median(values):.0f}"


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.2f} %" if 0 < share < 0.01 else f"{100 * share:.1f} %"
