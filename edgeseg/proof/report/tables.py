"""Tables of the proof page, with headings that screen readers can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.proof.report.markup import Markup, tag

UNITS = {"_ms": "ms", "_s": "s", "_percent": "%", "_points": "points"}
NAMES = {
    "bytes": "size",
    "size_bytes": "size",
    "mean_iou": "mIoU",
    "boundary_iou": "boundary IoU",
    "mean_boundary_iou": "boundary IoU",
    "iou": "IoU",
    "keep_float": "kept in float",
    "fps": "images a second",
    "cpu": "machine",
}

MISSING = "–"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str, kinds: Mapping[int, str] = {}) -> Markup:
    """A table whose first column names its rows; wide ones scroll sideways by themselves.

    Args:
        heads: column headings.
        rows: cells, text or markup.
        caption: what the table shows.
        kinds: CSS class of a column, by position.
    """
    header = tag("tr", *(tag("th", head, scope="col", class_=kinds.get(i)) for i, head in enumerate(heads)))
    lines = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_=kinds.get(i)) for i, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    whole = tag("table", tag("caption", caption), tag("thead", header), tag("tbody", *lines))
    return tag("div", whole, class_="scroll")


def facts_table(facts: Mapping[str, Any], caption: str) -> Markup:
    """Names and values; what is None or empty is left out."""
    rows = [
        tag("tr", tag("th", words(name), scope="row"), tag("td", format_number(name, value), class_="text"))
        for name, value in facts.items()
        if value not in (None, "", [], (), {})
    ]
    return tag("table", tag("caption", caption), tag("tbody", *rows), class_="facts")


def notes_list(sentences: Sequence[str]) -> Markup:
    """Sentences below one another, or nothing."""
    if not sentences:
        return Markup("")
    return tag("ul", *(tag("li", sentence) for sentence in sentences), class_="notes small")


def words(key: str) -> str:
    """A key as a person writes it: ``latency_p50_ms`` becomes ``latency p50, ms``."""
    if key in NAMES:
        return NAMES[key]
    for ending, unit in UNITS.items():
        if key.endswith(ending):
            return f"{key.removesuffix(ending).replace('_', ' ')}, {unit}"
    return key.replace("_", " ")


def format_number(key: str, value: Any) -> str:
    """A plain value as text, or as markup where it is a digest."""
    if isinstance(value, Mapping):
        return (
            ", ".join(f"{words(str(name))} {format_number(str(name), one)}" for name, one in value.items()) or MISSING
        )
    if isinstance(value, list | tuple):
        return ", ".join(format_number("", one) for one in value) or MISSING
    if isinstance(value, str):
        return tag("code", value) if _is_digest(value) else value
    return _format_number(key, value)


def _format_number(key: str, value: float | bool | None) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if "bytes" in key:
        return f"{value / 1e6:.2f} MB"
    if isinstance(value, float):
        return format(value, ".4f" if "iou" in key else ".4g")
    return str(value)


def format_signed(points: float | None) -> str:
    """Points with their sign; a loss is positive, and what rounds to nothing has none."""
    if points is None:
        return MISSING
    return f"{points:+.2f}" if abs(points) >= 0.005 else "0.00"


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdef" for character in text)
