"""A gate: a field, a limit, what was found, and how sure that is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

GateVerdict = Literal["passed", "failed", "cannot tell"]


@dataclass(frozen=True)
class Gate:
    """One thing that was measured against its limit.

    Attributes:
        field: what was measured, with its unit.
        limit: the largest value that passes.
        found: what was measured.
        sentence: how both came to be.
        is_noise: what was found is over the limit by no more than chance does, so it passes.
        is_unsure: the machine was too noisy to tell on which side of the limit it is.
    """

    field: str
    limit: float
    found: float
    sentence: str
    is_noise: bool = False
    is_unsure: bool = False

    @property
    def passed(self) -> bool:
        """Whether what was found is within the limit, and surely so."""
        return self.verdict == "passed"

    @property
    def verdict(self) -> GateVerdict:
        """What it says."""
        if self.is_unsure:
            return "cannot tell"
        return "passed" if self.is_noise or self.found <= self.limit else "failed"

    def __str__(self) -> str:
        return f"{self.field}: threshold {self.limit:.4g}, found {self.found:.4g}. {self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "passed": self.passed, "verdict": self.verdict}
