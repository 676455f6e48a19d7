"""Figures and keys of a report as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


def format_words(key: str) -> str:
    """Write a key as a person does.

    >>> format_words("latency_p50_ms")
    'latency p50, ms'
    """
    if key in NAMES:
        return NAMES[key]
    for ending, unit in UNITS.items():
        if key.endswith(ending):
            return f"{key.removesuffix(ending).replace('_', ' ')}, {unit}"
    return key.replace("_", " ")


def format_plain(value: Any, key: str = "") -> str:
    """Write any value that JSON has; its key tells the unit.

    >>> format_plain({"size_bytes": 1_200_000, "layers": ["a", "b"], "exact": True})
    'size 1.20 MB, layers a, b, exact yes'
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{format_words(str(k))} {format_plain(one, str(k))}" for k, one in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return ", ".join(format_plain(one) for one in value) or MISSING
    return value if isinstance(value, str) else _format_scalar(key, value)


def _format_scalar(key: str, value: float | bool | None) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if "bytes" in key:
        return f"{value / 1e6:.2f} MB"
    if isinstance(value, float):
        return format(value, ".4f" if "iou" in key else ".4g")
    return str(value)


def format_number(value: float | None, form: str = ".4f") -> str:
    """Write a number in a format of Python's, or a dash for what was not measured."""
    return MISSING if value is None else format(value, form)


def format_signed(points: float | None) -> str:
    """Write points with their sign; a loss is positive, and what rounds to nothing has none.

    >>> format_signed(0.349), format_signed(-0.004)
    ('+0.35', '0.00')
    """
    if points is None:
        return MISSING
    return f"{points:+.2f}" if abs(points) >= 0.005 else "0.00"


def format_between(interval: Sequence[float | None] | None) -> str:
    """Write the two ends of an interval of points; a dash where it is not known.

    >>> format_between([-0.1, 0.349]), format_between(None)
    ('-0.10 and +0.35', '–')
    """
    if interval is None or None in interval:
        return MISSING
    return " and ".join(map(format_signed, interval))


def format_percent(share: float | None, places: int = 2) -> str:
    """Write a share of 0..1 in percent."""
    return MISSING if share is None else f"{100 * share:.{places}f} %"


def format_range(trait: Mapping[str, float] | None) -> str:
    """Write the smallest and the largest value of a trait."""
    return MISSING if trait is None else f"{round(trait['min'])} to {round(trait['max'])}"


def format_limit(points: float | None) -> str:
    """Write how many points may be lost; None is any number of them."""
    return "any loss" if points is None else f"{points:g}"


def is_given(value: Any) -> bool:
    """Tell whether a value says anything; 0 and no do."""
    return value not in (None, "", [], (), {})


def is_digest(value: Any) -> bool:
    """Tell whether a value is a SHA-256 in hexadecimal."""
    return isinstance(value, str) and len(value) == 64 and all(sign in "0123456789abcdef" for sign in value)
