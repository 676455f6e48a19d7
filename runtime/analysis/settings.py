"""When a frame of a fixed camera is inferred; imported at every start, so nothing heavy is."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseg.console.quantities import number, number_above
from edgeseg.errors import UserError


@dataclass(frozen=True)
class WhenChanged:
    """When a mask is computed anew, and not taken over from an earlier frame.

    Attributes:
        change: percent of the picture that must have changed since the last inference, 0..100; 0 is any change.
        refresh_s: infer at least so often, whatever is seen to change.

    Raises:
        UserError: a value that cannot be meant.

    >>> WhenChanged()
    WhenChanged(change=0.5, refresh_s=2.0)
    """

    change: float = 0.5
    refresh_s: float = 2.0

    def __post_init__(self) -> None:
        number(0, 100).expect("change", self.change)
        number_above(0, 86400).expect("refresh_s", self.refresh_s)


def read_when_changed(given: WhenChanged | bool | float | None) -> WhenChanged | None:
    """Make settings of what a program may give: True for the defaults, a number of percent, or none.

    >>> read_when_changed(True) == WhenChanged(), read_when_changed(1.5), read_when_changed(False)
    (True, WhenChanged(change=1.5, refresh_s=2.0), None)
    """
    if given is None or given is False:
        return None
    if given is True:
        return WhenChanged()
    if isinstance(given, WhenChanged):
        return given
    if not isinstance(given, int | float):
        raise UserError(f"`when_changed` is True, a number of percent or WhenChanged settings; found {given!r}.")
    return WhenChanged(given)
