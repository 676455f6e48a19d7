"""The fewest layers in float, found by bisecting a ranking instead of trying every subset."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

Holds = Callable[[Collection[str]], bool]
"""Measures a model with these layers in float, and says whether the budget holds."""


def fewest(ranking: Sequence[str], holds: Holds, most: int, tries: int) -> tuple[str, ...] | None:
    """Find the fewest layers of ``ranking`` that must be kept in float; None when ``most`` are not enough.

    Args:
        ranking: layers, the one to suspect most first.
        holds: is asked as rarely as possible: about 2 log2 of the answer.
        most: how many layers may be kept.
        tries: how often ``holds`` may be asked; what is left after bisecting goes into dropping layers.

    A longer prefix of the ranking is taken to be better than a shorter one.
    """
    asked = _Counted(holds, tries)
    size = _shortest_prefix(ranking, asked, most)
    return None if size is None else _without_needless(tuple(ranking[:size]), asked)


class _Counted:
    def __init__(self, holds: Holds, tries: int) -> None:
        self._holds, self.left = holds, tries

    def __call__(self, layers: Collection[str]) -> bool:
        self.left -= 1
        return self._holds(layers)


def _shortest_prefix(ranking: Sequence[str], holds: _Counted, most: int) -> int | None:
    """Prefixes of 1, 2, 4, ... layers until one holds, then bisection down to the shortest."""
    too_short, enough = 0, 1
    if most < 1:
        return None
    while not holds(ranking[:enough]):
        if enough >= most or not holds.left:
            return None
        too_short, enough = enough, min(2 * enough, most)
    while enough - too_short > 1 and holds.left:
        middle = (too_short + enough) // 2
        if holds(ranking[:middle]):
            enough = middle
        else:
            too_short = middle
    return enough


def _without_needless(kept: tuple[str, ...], holds: _Counted) -> tuple[str, ...]:
    """Drop groups of layers, the least suspect first and half as large each round; the last one is needed."""
    size = (len(kept) - 1) // 2 if len(kept) > 2 else len(kept) - 1
    while size >= 1:
        candidates = kept[-2::-1]
        for start in range(0, len(candidates), size):
            fewer = tuple(layer for layer in kept if layer not in candidates[start : start + size])
            if not holds.left:
                return kept
            if holds(fewer):
                kept = fewer
        size //= 2
    return kept
