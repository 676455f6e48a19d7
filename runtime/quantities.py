"""Durations and sizes as people type them: ``10min``, ``20GB``."""

from __future__ import annotations

import re

from edgeseg.errors import UserError

_SECONDS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}


def duration_s(text: str) -> float:
    """Seconds of ``30s``, ``10min``, ``1.5h`` or ``1d``.

    Raises:
        UserError: something else, or nothing.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|min|h|d)", text.strip())
    if not found or not float(found[1]):
        raise UserError(f"A duration is a number with its unit, as in 30s, 10min, 1.5h or 1d; found {text!r}.")
    return float(found[1]) * _SECONDS[found[2]]


def size_bytes(text: str) -> int:
    """Bytes of ``500MB`` or ``20GB`` (powers of 1000), ``20GiB`` (of 1024).

    Raises:
        UserError: something else, or nothing.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B)", text.strip(), re.IGNORECASE)
    count = int(float(found[1]) * _BYTES[found[2].upper()]) if found else 0
    if not count:
        raise UserError(f"A size is a number with its unit, as in 500MB, 20GB or 20GiB; found {text!r}.")
    return count
