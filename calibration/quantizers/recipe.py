"""How one calibration is to be made: everything but the images and the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgeseg.errors import UserError

METHODS = ("minmax", "entropy", "percentile", "mse")
AUTO = "auto"


@dataclass(frozen=True)
class Recipe:
    """Settings of one quantisation.

    Attributes:
        method: how a range is found from what was seen, one of :data:`METHODS`.
        keep_float: names of layers that are not quantised.
    """

    method: str = "minmax"
    keep_float: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f"--method must be one of {', '.join((*METHODS, AUTO))}; found {self.method!r}.")

    def keeping(self, layers: Iterable[str]) -> Recipe:
        """The same, with these layers in float."""
        return replace(self, keep_float=frozenset(layers))

    def describe(self) -> dict[str, Any]:
        """Plain values for JSON; equal recipes give equal text."""
        return {**asdict(self), "keep_float": sorted(self.keep_float)}


USUAL = Recipe()
