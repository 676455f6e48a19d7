"""Numbers, durations and sizes as people type them: ``0.5``, ``10min``, ``20GB``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edgeseg.errors import UserError

_LARGEST = 1e9
# Written out: float() and int() take nan, infinity, 1_000 and the digits of every script.
_NUMBER = re.compile(r"[+-]?(\d{1,18}\.?\d{0,18}|\.\d{1,18})([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_SECONDS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}


def duration_s(text: str) -> float:
    """Parse ``30s``, ``10min``, ``1.5h`` or ``1d`` to seconds.

    Raises:
        UserError: something else, or nothing.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|min|h|d)", text.strip(), re.ASCII)
    if not found or not float(found[1]):
        raise UserError(f"A duration is a number with its unit, as in 30s, 10min, 1.5h or 1d; found {text!r}.")
    return float(found[1]) * _SECONDS[found[2]]


def size_bytes(text: str) -> int:
    """Parse ``500MB`` or ``20GB`` (powers of 1000) or ``20GiB`` (of 1024) to bytes.

    Raises:
        UserError: something else, or nothing.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B)", text.strip(), re.IGNORECASE | re.ASCII)
    count = int(float(found[1]) * _BYTES[found[2].upper()]) if found else 0
    if not count:
        raise UserError(f"A size is a number with its unit, as in 500MB, 20GB or 20GiB; found {text!r}.")
    return count


def duration_or_size(text: str) -> tuple[float | None, int | None]:
    """Parse either: seconds and None, or None and bytes.

    Raises:
        UserError: neither a duration nor a size.
    """
    if text.strip().lower().endswith("b"):
        return None, size_bytes(text)
    try:
        return duration_s(text), None
    except UserError:
        message = f"A duration or a size is a number with its unit, as in 10min, 1d, 100MB or 1GB; found {text!r}."
        raise UserError(message) from None


def parse_limit(text: str | None, default: int | None) -> int | None:
    """Parse how many bytes to keep, where ``all`` is None: no limit.

    Raises:
        UserError: neither a size nor ``all``.
    """
    if text is None:
        return default
    return None if text == "all" else size_bytes(text)


def format_bytes(count: int) -> str:
    """Word ``count`` for people, in powers of 1000."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


@dataclass(frozen=True)
class Number:
    """Reads a finite number within limits, as the ``type`` of a flag.

    Args:
        low, high: the smallest and the largest that is taken.
        above: ``low`` itself is not taken.
        whole: no fraction is taken.
    """

    low: float = -_LARGEST
    high: float = _LARGEST
    above: bool = False
    whole: bool = False

    def __call__(self, text: str) -> float:
        """Return the number.

        Raises:
            argparse.ArgumentTypeError: it is none, or outside the limits.
        """
        import argparse

        written = (_WHOLE if self.whole else _NUMBER).fullmatch(text.strip())
        value: float = (int if self.whole else float)(written[0]) if written else math.nan
        if not (self.low < value if self.above else self.low <= value) or not value <= self.high:
            raise argparse.ArgumentTypeError(f"it takes {self.limits}; found {text!r}")
        return value

    def expect(self, field: str, value: object) -> None:
        """Check that ``value`` is such a number.

        Raises:
            UserError: it is none, or outside the limits; the message names ``field``.
        """
        fits = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        if not fits or not (self.low < value if self.above else self.low <= value) or not value <= self.high:  # type: ignore[operator]
            raise UserError(f"`{field}` takes {self.limits}; found {value!r}.")

    @property
    def limits(self) -> str:
        """``a whole number from 1 to 10``, ``a number above 0``."""
        kind = "a whole number" if self.whole else "a number"
        least = "" if self.low == -_LARGEST else f" above {self.low:g}" if self.above else f" of at least {self.low:g}"
        if self.high == _LARGEST:
            return kind + least
        if self.above or self.low == -_LARGEST:
            return f"{kind}{least}{' and' if least else ''} of at most {self.high:g}"
        return f"{kind} from {self.low:g} to {self.high:g}"


def number(low: float = -_LARGEST, high: float = _LARGEST) -> Number:
    """Make an argparse type, ``type=number(0, 1)``: a finite number within limits."""
    return Number(low, high)


def number_above(low: float, high: float = _LARGEST) -> Number:
    """Make an argparse type, ``type=number_above(0)``: a finite number larger than ``low``."""
    return Number(low, high, above=True)


def whole(low: float = 0, high: float = _LARGEST) -> Number:
    """Make an argparse type, ``type=whole(1)``: a whole number within limits."""
    return Number(low, high, whole=True)
