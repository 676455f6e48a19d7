"""What the assertions of a test run measured, for the page that it leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from edgeseg.ci.outcome import Outcome


@dataclass(frozen=True)
class Entry:
    """What one assertion of one test said.

    Attributes:
        test: the test's name.
        outcome: of the assertion.
        pictures: PNG files, of differences.
    """

    test: str
    outcome: Outcome
    pictures: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Entry:
        """Read what :meth:`to_dict` gave."""
        return cls(values["test"], Outcome(**values["outcome"]), tuple(values["pictures"]))


@dataclass
class Recorder:
    """Entries in the order in which they came.

    Attributes:
        entries: so far.
    """

    entries: list[Entry] = field(default_factory=list)

    def add(self, test: str, outcome: Outcome, pictures: tuple[str, ...] = ()) -> None:
        """Add what an assertion said."""
        self.entries.append(Entry(test, outcome, pictures))
