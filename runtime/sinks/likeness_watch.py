"""Looks at a few pictures of a run, and says when they look like none of calibration."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeseg.image_traits import measure_traits
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.timing import clock_s
from edgeseg.runtime.sinks.likeness import ENOUGH, TraitRange, Unlike, judge
from edgeseg.runtime.sinks.sink import ClosableSink

SHARE = 0.005
"""Of the time: 0.5 %; apart from the first pictures, that a short run has."""
APART = 8
"""Frames between the first pictures that are looked at."""
MEMORY = 9
"""The median over so many pictures counts."""
ADVICE = (
    "The proof used other pictures, and values outside of theirs may be clipped: look at the masks, or "
    "calibrate with pictures from here."
)


@dataclass
class _Seen:
    """Of one camera, or of a file."""

    rows: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=MEMORY))
    count: int = 0
    frames: int = 0
    is_told: bool = False


class LikenessSink(ClosableSink):
    """Judges each source by the median of its last pictures, and says ``unlike-calibration`` when that changes.

    Args:
        ranges: of calibration; not empty.
        on_event: called with what was found.

    Attributes:
        found: in which traits each source was unlike, by its name.
    """

    name = "likeness"
    newest_only = False

    def __init__(self, ranges: Sequence[TraitRange], on_event: OnEvent) -> None:
        self._ranges, self._on_event = ranges, on_event
        self._names = tuple(trait.name for trait in ranges)
        self._seen: dict[str, _Seen] = {}
        self._start_s = clock_s()
        self._spent_s = 0.0
        self.found: dict[str, list[Unlike]] = {}

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Measure the frame's traits, as often as the share of the time allows, and speak when it is unlike."""
        self._expect_open()
        seen = self._seen.setdefault(frame.source, _Seen())
        seen.frames += 1
        start = clock_s()
        is_first = seen.count < ENOUGH and seen.frames > APART * seen.count
        if not is_first and self._spent_s > SHARE * (start - self._start_s):
            return
        seen.rows.append(measure_traits(frame.image, self._names))
        seen.count += 1
        self._spent_s += clock_s() - start
        if seen.count >= ENOUGH:
            self._judge(frame.source, seen)

    def close(self) -> None:
        """Judge what had too few pictures until now; a second call does nothing."""
        super().close()
        for source, seen in self._seen.items():
            if 0 < seen.count < ENOUGH:
                self._judge(source, seen)
        self._seen = {}

    def _judge(self, source: str, seen: _Seen) -> None:
        unlike = judge(self._ranges, seen.rows)
        if not unlike:
            seen.is_told = False
            return
        if seen.is_told:
            return
        seen.is_told = True
        self.found[redact(source)] = unlike
        facts = {"traits": [one.to_dict() for one in unlike]}
        message = f"the pictures look like none that INT8 was calibrated on: {unlike[0]}. {ADVICE}"
        self._on_event(Event("unlike-calibration", redact(source), message, unlike[0].trait, facts))
