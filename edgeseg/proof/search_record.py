"""What was tried on the way to an INT8 model, and what it brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edgeseg.proof.ladder import Ladder

if TYPE_CHECKING:
    from edgeseg.proof.speed import Speed


class Described(Protocol):
    """Something measured that can say itself to people and in plain values."""

    def text(self) -> str:
        """Lay out a table for a terminal."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""


@dataclass(frozen=True)
class SearchRecord:
    """How an INT8 model was found; each part is None where nobody asked for it.

    Attributes:
        methods: what the choice of a calibration method tried.
        ladder: the search for layers to keep in float.
        speed: INT8 against fp32 on this machine.
    """

    methods: Described | None = None
    ladder: Ladder | None = None
    speed: Speed | None = None

    def text(self) -> str:
        """Lay out the tables for people, one below the other; empty when there is none.

        >>> SearchRecord().text()
        ''
        """
        return "\n".join(part.text() for part in (self.methods, self.ladder, self.speed) if part is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON.

        >>> SearchRecord().to_dict()
        {'methods': None, 'ladder': None, 'speed': None}
        """
        return {
            "methods": self.methods and self.methods.to_dict(),
            "ladder": self.ladder and self.ladder.to_dict(),
            "speed": self.speed and self.speed.to_dict(),
        }
