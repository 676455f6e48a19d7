"""What is found in one frame beside its mask: frozen values that every sink gets, as ``prediction.analysis``.

Points, boxes and areas are in pixels of the frame, whatever size the network has; a point counts from the top left
corner, x to the right and y down. Shares are 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Point = tuple[float, float]
Box = tuple[int, int, int, int]

RAISED, CLEARED = "raised", "cleared"


@dataclass(frozen=True)
class Region:
    """One connected area of a class; pixels that touch by a corner belong together.

    Attributes:
        class_index: its class.
        class_name: the name of that.
        area_px: in pixels of the frame, holes left out.
        area_mm2: in square millimetres; None where no real size was given.
        centroid: its centre of mass, which a hollow or bent area need not cover.
        box: left, top, width and height.
        polygon: its outline, simplified, which neither crosses nor touches itself; holes are not in it.
        zones: names of the zones in which the centroid lies.
    """

    class_index: int
    class_name: str
    area_px: float
    area_mm2: float | None
    centroid: Point
    box: Box
    polygon: tuple[Point, ...]
    zones: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found: dict[str, Any] = {"class": self.class_name, "area_px": round(self.area_px, 1)}
        if self.area_mm2 is not None:
            found["area_mm2"] = round(self.area_mm2, 3)
        found |= {"centroid": [round(value, 1) for value in self.centroid], "box": list(self.box)}
        found["polygon"] = [[round(value, 1) for value in point] for point in self.polygon]
        return found | ({"zones": list(self.zones)} if self.zones else {})


@dataclass(frozen=True)
class ZoneState:
    """What is in a zone of the picture.

    Attributes:
        name: of the zone.
        shares: of each class, of the zone's pixels.
        counts: how many regions of each class have their centroid in it; only where regions are looked for.
    """

    name: str
    shares: Mapping[str, float]
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        shares = {name: round(share, 5) for name, share in self.shares.items()}
        return {"shares": shares} | ({"counts": dict(self.counts)} if self.counts else {})


@dataclass(frozen=True)
class LineState:
    """What touches a line in the picture.

    Attributes:
        name: of the line.
        touching: classes that do.
        first: those of them that did not in the frame before.
    """

    name: str
    touching: tuple[str, ...] = ()
    first: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"touching": list(self.touching), "first": list(self.first)}


@dataclass(frozen=True)
class RuleState:
    """How a rule of `alerts` stands.

    Attributes:
        name: of the rule: the one it was given, or its text.
        text: as it was given.
        active: whether its alarm is on.
        value: what was measured, in the rule's own unit.
        limit: what it is compared with, in the same unit.
        unit: ``%``, ``px``, ``mm2``, ``cm2``, ``m2``, or empty for a number of regions.
        since_s: when the alarm came on, or the time it is held for began, on the clock of the frames; None: neither.
        scheduled: whether the rule is to be judged at this time of the week.
    """

    name: str
    text: str
    active: bool
    value: float
    limit: float
    unit: str
    since_s: float | None = None
    scheduled: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"active": self.active, "value": round(self.value, 4), "limit": self.limit, "unit": self.unit}


@dataclass(frozen=True)
class AlarmEvent:
    """An alarm that came on, or went off, with this frame.

    Attributes:
        rule: name of the rule.
        text: of the rule, as it was given.
        state: ``raised`` or ``cleared``.
        class_name: whose areas are measured.
        zone: name of the zone or line, empty for the whole picture.
        value: what was measured, in the rule's own unit.
        unit: ``%``, ``px``, ``mm2``, ``cm2``, ``m2``, or empty for a number of regions.
        lasted_s: how long the condition had held, or the alarm had been on.
    """

    rule: str
    text: str
    state: str
    class_name: str
    zone: str
    value: float
    unit: str
    lasted_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "rule": self.rule,
            "state": self.state,
            "class": self.class_name,
            "zone": self.zone or None,
            "value": round(self.value, 4),
            "unit": self.unit,
            "lasted_s": round(self.lasted_s, 3),
        }

    def __str__(self) -> str:
        return f"{self.rule}: {self.state} at {self.value:.4g}{self.unit and f' {self.unit}'}"


@dataclass(frozen=True)
class Verdict:
    """Whether a picture passes every condition of `fail_if`.

    Attributes:
        passed: False when one of them is met.
        failed: texts of those that are.
        values: what was measured for each text, in its own unit.
    """

    passed: bool
    failed: tuple[str, ...]
    values: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = {text: round(value, 4) for text, value in self.values.items()}
        return {"passed": self.passed, "failed": list(self.failed), "values": values}


@dataclass(frozen=True)
class Analysis:
    """What is found in one frame.

    Attributes:
        shares: of each class, of the picture.
        regions: connected areas, the largest first; empty where nobody asked for them.
        left_out: how many smaller ones were found beside them.
        zones: in the order in which they were given, as are the next ones.
        lines: what touches them.
        rules: how they stand, one for each of `alerts`.
        alarms: that came on or went off with this frame; each is in one frame only.
        verdict: None where no `fail_if` was given.

    Example:
        >>> alarm = AlarmEvent("door", "person > 2%", RAISED, "person", "", 20.0, "%", 0.0)
        >>> Analysis({"person": 0.2}, alarms=(alarm,)).to_dict()["alarms"][0]["state"]
        'raised'
    """

    shares: Mapping[str, float]
    regions: tuple[Region, ...] = ()
    left_out: int = 0
    zones: tuple[ZoneState, ...] = ()
    lines: tuple[LineState, ...] = ()
    rules: tuple[RuleState, ...] = ()
    alarms: tuple[AlarmEvent, ...] = ()
    verdict: Verdict | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: ``regions``, ``zones``, ``lines``, ``rules``, ``alarms``, ``verdict``.

        What was not asked for has no key; :attr:`shares` are in the record of the frame itself.
        """
        found: dict[str, Any] = {}
        if self.regions:
            found["regions"] = [region.to_dict() for region in self.regions]
        if self.left_out:
            found["regions_left_out"] = self.left_out
        for key in ("zones", "lines", "rules"):
            if states := getattr(self, key):
                found[key] = {state.name: state.to_dict() for state in states}
        if self.alarms:
            found["alarms"] = [alarm.to_dict() for alarm in self.alarms]
        if self.verdict is not None:
            found["verdict"] = self.verdict.to_dict()
        return found
