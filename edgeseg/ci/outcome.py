"""Every gate of a check in one form, for whoever reports it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeseg.api.check import Checked
    from edgeseg.runtime.measure.gate import GateVerdict


@dataclass(frozen=True)
class Outcome:
    """What one gate says.

    Attributes:
        name: what was measured.
        verdict: what came of it.
        found, limit: what was measured and the most that passes; None where it is not known, or not limited.
        sentence: how both came to be.
        note: what is not sure about it, for a gate that passed; else empty.
    """

    name: str
    verdict: GateVerdict
    found: float | None
    limit: float | None
    sentence: str
    note: str = ""


def list_outcomes(checked: Checked) -> list[Outcome]:
    """List what every gate of a check says: that it runs first, then its gates, then the limits of its budget."""
    from edgeseg.console.terminal import visible_lines

    runs = f"Digests hold, and {checked.labels} labels occurred on test pictures."
    found = [Outcome("it runs", "passed", None, None, runs)]
    for gate in checked.gates:
        sentence = visible_lines(gate.sentence)
        found.append(Outcome(gate.field, gate.verdict, _finite(gate.found), _finite(gate.limit), sentence))
    for one in checked.judgements:
        verdict: GateVerdict = "failed" if one in checked.missed else "passed"
        name, note = f"{one.what} ({one.field})", one.certainty if one.verdict == "cannot tell" else ""
        found.append(Outcome(name, verdict, _finite(one.points), _finite(one.limit), visible_lines(f"{one}."), note))
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
