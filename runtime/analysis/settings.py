"""When a frame is inferred, and what is looked for in its mask; imported at every start, so nothing heavy is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.console.quantities import number, number_above
from edgeseg.errors import UserError
from edgeseg.runtime.analysis.rule import Rule, parse_rule
from edgeseg.runtime.analysis.shapes import Line, Plane, Zone


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


@dataclass(frozen=True)
class AnalysisSettings:
    """What is looked for in masks, beside the masks.

    Attributes:
        regions: list the connected areas of every class but the background.
        min_area: specks and holes of fewer pixels of the frame are filled with what is around them; or one a class by
            its name. 0 leaves every pixel as it is.
        smooth_s: labels are held against noise for so long: what lasts is shown so much later, and what moves at once;
            0 for none.
        zones: parts of the picture in which classes are measured.
        lines: in the picture, that a class may touch.
        alerts: rules in words, :mod:`edgeseg.runtime.analysis.rule`.
        fail_if: conditions in the same words, without times: a picture that meets one of them fails.
        mm_per_px: how many millimetres a pixel of the frame is wide, on a surface seen from straight above.
        plane: or four points that are known on a surface that is seen from anywhere.

    Raises:
        UserError: a value that cannot be meant, or two things of one name.

    Example:
        >>> door = Zone("door", ((0.4, 0.2), (0.6, 0.2), (0.6, 0.9), (0.4, 0.9)))
        >>> AnalysisSettings(zones=(door,), alerts=("person in door > 2% for 3s",)).rules[0].zone
        'door'
    """

    regions: bool = False
    min_area: float | Mapping[str, float] = 0.0
    smooth_s: float = 0.0
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    alerts: tuple[str, ...] = ()
    fail_if: tuple[str, ...] = ()
    mm_per_px: float | None = None
    plane: Plane | None = None

    def __post_init__(self) -> None:
        several: tuple[tuple[str, Any], ...] = (("zones", Zone), ("lines", Line), ("alerts", str), ("fail_if", str))
        for name, kind in several:
            object.__setattr__(self, name, _read_several(name, getattr(self, name), kind))
        least_areas = self.min_area if isinstance(self.min_area, Mapping) else {"": self.min_area}
        for least in least_areas.values():
            number(0).expect("min_area", least)
        number(0, 60).expect("smooth_s", self.smooth_s)
        if self.mm_per_px is not None:
            number_above(0).expect("mm_per_px", self.mm_per_px)
            if self.plane is not None:
                raise UserError("`mm_per_px` and a plane both give real sizes; leave one of them out.")
        _expect_different("zone or line", [*(zone.name for zone in self.zones), *(line.name for line in self.lines)])
        _expect_different("rule", [rule.name for rule in self.rules])
        _ = self.conditions

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return :attr:`alerts`, read."""
        return tuple(parse_rule(text) for text in self.alerts)

    @property
    def conditions(self) -> tuple[Rule, ...]:
        """Return :attr:`fail_if`, read."""
        return tuple(parse_rule(text, is_verdict=True) for text in self.fail_if)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return self == AnalysisSettings(mm_per_px=self.mm_per_px, plane=self.plane)


def _read_several(name: str, given: Any, kind: type) -> Any:
    several = tuple(given) if isinstance(given, list | tuple) else None
    if several is None or not all(isinstance(one, kind) for one in several):
        words = "texts" if kind is str else f"{kind.__name__} values"
        raise UserError(f"`{name}` is a list of {words}; found {given!r}.")
    return several


def _expect_different(kind: str, names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"Two of the same name: the {kind} {twice[0]!r} is given twice. Call one of them otherwise.")
