"""How long a training takes: measured on a few steps before the first, and said every minute after."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO, TypeVar

from edgeseg.console.terminal import say
from edgeseg.training.defaults import VALIDATIONS

VALIDATION_SHARE = 0.2
EVERY_S = 60.0
FIRST_S = 20.0
"""A log's first line comes sooner: it tells that the run is alive."""

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """Seconds that a step and a whole validation take on this machine, now."""

    step_s: float
    validation_s: float

    def epochs_within(self, budget_s: float, steps_an_epoch: int) -> tuple[int, int]:
        """Choose whole epochs that fit into a time, and the epochs between validations, a fifth of it at most.

        At least one epoch and one validation, whatever the time.
        """
        validations = min(VALIDATIONS, int(VALIDATION_SHARE * budget_s / max(self.validation_s, 1e-9)))
        validations = max(1, validations)
        left = budget_s - validations * self.validation_s
        epochs = max(1, int(left / (self.step_s * steps_an_epoch)))
        return epochs, -(-epochs // validations)


class TimeLeft:
    """Follows a run, and says in a log how far it is and how long it still takes: soon, then once a minute.

    Args:
        stream: where lines go; a terminal gets none, as it has progress bars.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.clock = clock
        self.silent = self.stream.isatty()
        self.steps_left, self.validations_left = 0, 0
        self.state = ""
        self._taken = {"step": 0.0, "validation": 0.0}
        self._counts = {"step": 0, "validation": 0}
        self._due = clock() + FIRST_S

    def expect(self, pace: Pace | None) -> None:
        """Start from a pace that was measured before; what is seen afterwards outweighs it soon."""
        if pace:
            self._taken = {"step": pace.step_s, "validation": pace.validation_s}
            self._counts = {"step": 1, "validation": 1}

    def count(self, kind: str, seconds: float) -> None:
        """Note that a ``step`` or a ``validation`` took so long and is done."""
        self._taken[kind] += seconds
        self._counts[kind] += 1
        if kind == "step":
            self.steps_left -= 1
        else:
            self.validations_left -= 1

    @property
    def left_s(self) -> float | None:
        """Seconds to the end by the mean of what was seen, or None before the first step."""
        if not self._counts["step"]:
            return None
        each = {kind: self._taken[kind] / max(1, self._counts[kind]) for kind in self._taken}
        return max(0, self.steps_left) * each["step"] + max(0, self.validations_left) * each["validation"]

    def watch(self, items: Iterable[T], title: str, total: int) -> Iterator[T]:
        """Pass ``items`` on; between two of them a line is said when it is due."""
        for done, item in enumerate(items):
            yield item
            self.say_if_due(f"{title}, {done + 1} of {total}")

    def say_if_due(self, place: str) -> None:
        """Say how far the run is, when a line is due; ``place`` is where it is."""
        if self.silent or self.clock() < self._due:
            return
        self._due = self.clock() + EVERY_S
        left = self.left_s
        parts = [place, self.state, "" if left is None else f"{in_words(left)} left"]
        say("; ".join(part for part in parts if part), file=self.stream)


def in_words(seconds: float) -> str:
    """Word a length of time as people say it: ``40 s``, ``9 min``, ``5.7 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
