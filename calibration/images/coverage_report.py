"""The tables and the sentences of a coverage report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeseg.calibration.images.coverage import ClassPixels, Coverage, percent
from edgeseg.console.text_table import format_table


def coverage_text(coverage: Coverage) -> str:
    """Lay out the tables for a terminal."""
    reference = f" against {coverage.reference_images} of {coverage.reference_source}"
    head = f"Coverage of {coverage.images} calibration images of {coverage.source}"
    parts = [head + (reference if coverage.reference_images else ""), _trait_table(coverage)]
    if coverage.classes:
        parts.append(_class_table(coverage.classes))
    if not coverage.reference_images:
        parts.append("compared with nothing: `eval_data=DIR` compares these images with those the network will meet")
    parts.extend(f"thin: {sentence}" for sentence in coverage.warnings)
    return "\n".join(parts)


def _trait_table(coverage: Coverage) -> str:
    header = ["", "calibration", "median"]
    rows = [[trait.name, *_range_and_median(trait.calibration)] for trait in coverage.traits]
    if coverage.reference_images:
        header += ["reference", "median", "range coverage", "spread"]
        for row, trait in zip(rows, coverage.traits, strict=True):
            row += [*_range_and_median(trait.reference), f"{trait.inside or 0:.0%}", f"{trait.spread or 0:.2f}"]
    return format_table([header, *rows], indent="  ")


def _class_table(classes: Sequence[ClassPixels]) -> str:
    rows = [
        [one.name, "-" if one.images is None else str(one.images), percent(one.calibration), percent(one.reference)]
        for one in classes
    ]
    return format_table([["class", "images", "calibration px", "reference px"], *rows], indent="  ")


def _range_and_median(values: tuple[float, ...]) -> tuple[str, str]:
    return f"{min(values):.0f} .. {max(values):.0f}", f"{np.median(values):.0f}"
