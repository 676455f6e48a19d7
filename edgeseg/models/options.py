"""What can be said about a network beside its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeseg.errors import UserError


@dataclass(frozen=True)
class Option:
    """One option of a network; its flag is the name with dashes.

    Attributes:
        name: keyword of the network's class.
        default: what is meant when nothing is said; never changed, since checkpoints may not name it.
        allowed: the values it takes, or (lowest, highest) when :attr:`ranged`.
        ranged: any number between the two of :attr:`allowed`.
    """

    name: str
    default: Any
    allowed: tuple[Any, ...]
    ranged: bool = False

    def check(self, value: Any) -> None:
        """Raise UserError when ``value`` is not allowed."""
        if self.ranged and not isinstance(value, bool) and isinstance(value, int | float):
            good = self.allowed[0] <= value <= self.allowed[1]
        else:
            good = not self.ranged and any(value == known and type(value) is type(known) for known in self.allowed)
        if not good:
            raise UserError(f"`{self.name}` must be {self.range()}; found {value!r}.")

    def range(self) -> str:
        """Word the allowed values."""
        if self.ranged:
            return f"{self.allowed[0]} to {self.allowed[1]}"
        *first, last = (str(value) for value in self.allowed)
        return f"{', '.join(first)} or {last}" if first else last


WIDTH = Option("width", 1.0, (0.25, 8.0), ranged=True)
STEM_STRIDE = Option("stem_stride", 1, (1, 2))


def fill_defaults(model: str, known: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check ``given``, and add the defaults of ``known`` for what it leaves out.

    Raises:
        UserError: an option that ``model`` does not take, or an impossible value.
    """
    names = [option.name for option in known]
    if unknown := sorted(set(given) - set(names)):
        takes = ", ".join(names) if names else "none"
        raise UserError(f"{model} does not take the option {', '.join(unknown)}; its options: {takes}.")
    for option in known:
        if option.name in given:
            option.check(given[option.name])
    return {option.name: given.get(option.name, option.default) for option in known}
