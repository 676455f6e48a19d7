"""Which candidate is kept, which lie on the front, and by how much the others lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeseg.console.terminal import visible
from edgeseg.console.text_table import format_table
from edgeseg.errors import GateFailed, UserError
from edgeseg.export.candidates.candidate import ENERGY, LATENCY, PREFERENCES, SIZE, THROUGHPUT, Candidate
from edgeseg.runtime.measure.in_turns import Pace

LONGEST = 90
"""Characters of a verdict in the table; the record has all of them."""
SAME = 0.05
"""Costs that differ by less are equal, and of equals the more exact is kept."""
WORDS = {LATENCY: "fastest", THROUGHPUT: "fastest with several frames at once", ENERGY: "most frugal", SIZE: "smallest"}


@dataclass(frozen=True)
class Candidates:
    """All that was tried here, and what is kept.

    Attributes:
        by: what was preferred: ``latency``, ``throughput``, ``energy`` or ``size``.
        kept: the best that holds the budget.
        tried: every candidate, in the order in which they were made.
        cpu: what they ran on.
        drop_of: what ``drop`` counts: ``mIoU``, or ``pixels`` without masks.
        energy: a sentence on what measures energy here.
        files: of the record and its picture.
        facts: where the figures come from.
    """

    by: str
    kept: Candidate
    tried: tuple[Candidate, ...]
    cpu: str = ""
    drop_of: str = "mIoU"
    energy: str = ""
    files: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ranked(self) -> list[Candidate]:
        """Every candidate, those that hold the budget first, by what is preferred."""
        return sorted(self.tried, key=lambda one: (bool(one.out), one.cost(self.by), one.exactness))

    def is_on_front(self, one: Candidate) -> bool:
        """Tell whether it holds the budget, and nothing else that does costs and loses no more than it."""
        if one.out:
            return False
        mine = (one.cost(self.by), _lost(one))
        others = [(each.cost(self.by), _lost(each)) for each in self.tried if not each.out]
        return not any(other != mine and other[0] <= mine[0] and other[1] <= mine[1] for other in others)

    def verdict(self, one: Candidate) -> str:
        """Say what became of a candidate: kept, on the front, how many times it costs more, or why it is refused."""
        if one is self.kept:
            return "kept"
        if one.out:
            return f"refused: {one.out}"
        times = one.cost(self.by) / self.kept.cost(self.by)
        cost = f"{times:.2f} times the cost of what is kept"
        if times <= 1 + SAME:
            return f"equal within {100 * SAME:.0f} %, and less exact" if one.exactness > self.kept.exactness else cost
        return f"on the front: {cost}" if self.is_on_front(one) else f"lost: {cost}"

    @property
    def sentence(self) -> str:
        """Why, in one sentence."""
        others = [one for one in self.ranked if not one.out and one is not self.kept]
        name = self.kept.name
        if not others:
            return f"{name} is kept: nothing else holds the budget and runs here."
        other = others[0]
        both = f"{self._cost_words(self.kept)} against {self._cost_words(other)} of {other.name}"
        if other.cost(self.by) < self.kept.cost(self.by):
            return f"{name} is kept: {both} is no gain worth a loss."
        return f"{name} is kept: the {WORDS[self.by]} here that holds the budget, {both}."

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of a run of what is kept, beside its precision, which is part of the artifact."""
        way, pace = self.kept.way, self.kept.pace
        device = {} if way is None or way.device.upper() == "CPU" else {"device": way.device}
        return {**device, "slots": pace.slots if pace is not None and self.by == THROUGHPUT else 1}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``run`` is the path of the artifact to run."""
        return {
            "prefer": self.by,
            "run": str(self.kept.artifact.path) if self.kept.artifact else None,
            "name": self.kept.name,
            "why": self.sentence,
            "settings": self.settings,
            "cpu": self.cpu,
            "drop_of": self.drop_of,
            "energy": self.energy,
            **self.facts,
            "candidates": [
                {
                    **one.to_dict(),
                    "verdict": self.verdict(one),
                    "on_front": self.is_on_front(one),
                    "times_kept": None if one.out else one.cost(self.by) / self.kept.cost(self.by),
                }
                for one in self.tried
            ],
        }

    def text(self) -> str:
        """Lay out the table and the sentence, for people."""
        lost = "points lost" if self.drop_of == "mIoU" else "% changed"
        has_energy = any(one.pace and one.pace.joules is not None for one in self.tried)
        heads = ["candidate", lost, "p50 ms", "frames/s", "slots", "core-ms", *(["mJ"] if has_energy else []), "MB", ""]
        rows = [heads, *(self._row(one, has_energy) for one in self.ranked)]
        where = f" on {self.cpu}" if self.cpu else ""
        table = format_table(rows, left=(0, len(heads) - 1))
        return f"by {self.by}{where}\n{table}\n{visible(self.sentence)}"

    def _row(self, one: Candidate, has_energy: bool) -> list[str]:
        size = _number(None if one.size_bytes is None else one.size_bytes / 1e6)
        verdict = visible(self.verdict(one))
        short = verdict if len(verdict) <= LONGEST else f"{verdict[: LONGEST - 3]}..."
        return [one.name, _number(one.drop), *_pace_cells(one.pace, has_energy), size, short]

    def _cost_words(self, one: Candidate) -> str:
        cost = one.cost(self.by)
        if self.by == SIZE:
            return f"{cost / 1e6:.2f} MB"
        if self.by == THROUGHPUT:
            return f"{1 / cost:.1f} frames/s"
        if self.by == ENERGY and one.pace is not None and one.pace.joules is not None:
            return f"{1e3 * cost:.1f} mJ"
        return f"{cost:.2f} {'core-ms' if self.by == ENERGY else 'ms'}"


def choose_candidate(tried: Sequence[Candidate], by: str) -> Candidate:
    """Choose the candidate that costs least of those that hold the budget.

    Costs within 5 % of the least are equal, and of equals the more exact one is taken: float before INT8, float32
    before float16 and bfloat16. By size the smallest is taken, and of one artifact its fastest precision.

    Raises:
        UserError: ``by`` is something else.
        GateFailed: every candidate is out.
    """
    if by not in PREFERENCES:
        raise UserError(f"`prefer` must be one of {', '.join(PREFERENCES)}; found {by!r}.")
    able = [one for one in tried if not one.out]
    if not able:
        reasons = "; ".join(f"{one.name}: {one.out}" for one in tried)
        raise GateFailed(f"None of the candidates can be run here. {reasons}.")
    if by == SIZE:
        return min(able, key=lambda one: (one.cost(SIZE), one.cost(LATENCY)))
    limit = (1 + SAME) * min(one.cost(by) for one in able)
    return min((one for one in able if one.cost(by) <= limit), key=lambda one: (one.exactness, one.cost(by)))


def _lost(one: Candidate) -> float:
    return 0.0 if one.drop is None else one.drop


def _pace_cells(pace: Pace | None, has_energy: bool) -> list[str]:
    if pace is None:
        return ["-"] * (5 if has_energy else 4)
    energy = [_number(None if pace.joules is None else 1e3 * pace.joules, 1)] if has_energy else []
    return [_number(pace.p50_ms), _number(pace.fps, 1), str(pace.slots), _number(pace.core_ms), *energy]


def _number(value: float | None, places: int = 2) -> str:
    return "-" if value is None else f"{value:.{places}f}"
