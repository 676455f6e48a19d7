"""What the calibration images show, as tables of the proof page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.proof.report.markup import Markup, join, tag
from edgeseg.proof.report.tables import MISSING, notes_list, table

Record = Mapping[str, Any]


def coverage_tables(coverage: Record) -> Markup:
    """Traits and classes of a coverage report, as a coverage's ``to_dict`` gives it."""
    count, source = coverage["reference_images"], coverage["reference_source"]
    against = f" against {count} images of {source}" if count else ""
    told = f"{coverage['images']} calibration images of {coverage['source']}{against}."
    parts = [notes_list(coverage["warnings"]), _traits(coverage["traits"], told)]
    if coverage["classes"]:
        parts.append(_classes(coverage["classes"]))
    return join(*parts)


def _traits(traits: Sequence[Record], caption: str) -> Markup:
    rows = [
        [
            join(trait["name"], tag("span", f" {trait['meaning']}", class_="soft small spare")),
            _range(trait["calibration"]),
            _range(trait["reference"]),
            _percent(trait["range_coverage"]),
            _percent(trait["spread"]),
        ]
        for trait in traits
    ]
    heads = ["", "smallest to largest, here", "in the reference", "of the reference within", "spread"]
    return table(heads, rows, caption)


def _classes(classes: Sequence[Record]) -> Markup:
    rows = [
        [
            one["name"],
            MISSING if one["images"] is None else str(one["images"]),
            _percent(one["calibration"], 2),
            _percent(one["reference"], 2),
        ]
        for one in classes
    ]
    return table(["class", "images that show it", "pixels here", "in the reference"], rows, "Classes in the masks.")


def _range(figures: Record | None) -> str:
    return MISSING if figures is None else f"{round(figures['min'])} to {round(figures['max'])}"


def _percent(share: float | None, places: int = 0) -> str:
    return MISSING if share is None else f"{100 * share:.{places}f} %"
