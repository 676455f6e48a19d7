"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST_S, LONGEST_S = 0.5, 30.0


def backoff_s(attempt: int, longest_s: float = LONGEST_S, chance: random.Random | None = None) -> float:
    """Choose the seconds before attempt ``attempt`` (from 0), doubling from 1 to ``longest_s``.

    A random part of up to half is taken off, so that the cameras of a rebooted switch, or boxes of a
    rebooted building, do not all come at once.
    """
    whole = min(longest_s, 2 * FIRST_S * 2.0 ** min(attempt, 16))
    return max(FIRST_S, (chance or random).uniform(whole / 2, whole))
