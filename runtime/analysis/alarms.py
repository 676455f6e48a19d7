"""Alarms that neither flicker nor come too early: hysteresis and hold times of rules."""

from __future__ import annotations

import datetime

from edgeseg.runtime.analysis.rule import Rule
from edgeseg.runtime.frames.analysis import CLEARED, RAISED, AlarmEvent, RuleState


class Alarm:
    """Follows one rule through the frames of one camera.

    The condition must hold for the rule's time before the alarm comes on, and be gone for the same time before it goes
    off. While it holds, or while the alarm is on, the value may fall as far as ``until``.

    Args:
        rule: what is judged.

    Example:
        >>> from edgeseg.runtime.analysis.rule import parse_rule
        >>> alarm = Alarm(parse_rule("person > 2% for 1s"))
        >>> noon = datetime.datetime(2026, 11, 28, 12)
        >>> [alarm.judge(value, at_s, noon)[0].active for at_s, value in enumerate((0, 3, 1.7, 1.7, 0, 3, 0, 0))]
        [False, False, True, True, True, True, True, False]
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._active = False
        self._holding_since_s: float | None = None
        self._gone_since_s: float | None = None
        self._raised_s = 0.0

    def judge(self, value: float, at_s: float, moment: datetime.datetime) -> tuple[RuleState, AlarmEvent | None]:
        """Take the value of the next frame.

        Args:
            value: in the rule's unit.
            at_s: time of the frame, on a clock that only goes on; where it goes back, as at the beginning of another
                recording, what was held starts again.
            moment: on the clock of the place, for schedules.

        Returns:
            How the rule stands, and what changed with this frame, if anything did.
        """
        scheduled = self.rule.schedule is None or self.rule.schedule.covers(moment)
        event = self._step(value, at_s, scheduled)
        since_s = self._raised_s if self._active else self._holding_since_s
        rule = self.rule
        state = RuleState(rule.name, rule.text, self._active, value, rule.limit, rule.unit, since_s, scheduled)
        return state, event

    def _step(self, value: float, at_s: float, scheduled: bool) -> AlarmEvent | None:
        if not scheduled:  # what is on ends with its time of the week
            self._holding_since_s = None
            return self._clear(value, at_s) if self._active else None
        is_held = self._active or self._holding_since_s is not None
        met = self.rule.is_met(value, is_held)
        return self._step_on(value, at_s, met) if self._active else self._step_off(value, at_s, met)

    def _step_off(self, value: float, at_s: float, met: bool) -> AlarmEvent | None:
        if not met:
            self._holding_since_s = None
            return None
        if self._holding_since_s is None or at_s < self._holding_since_s:
            self._holding_since_s = at_s
        held_s = at_s - self._holding_since_s
        if held_s < self.rule.hold_s:
            return None
        self._active, self._raised_s, self._gone_since_s = True, at_s, None
        return self._event(RAISED, value, held_s)

    def _step_on(self, value: float, at_s: float, met: bool) -> AlarmEvent | None:
        if met:
            self._gone_since_s = None
            return None
        if self._gone_since_s is None or at_s < self._gone_since_s:
            self._gone_since_s = at_s
        return self._clear(value, at_s) if at_s - self._gone_since_s >= self.rule.hold_s else None

    def _clear(self, value: float, at_s: float) -> AlarmEvent:
        self._active, self._holding_since_s, self._gone_since_s = False, None, None
        return self._event(CLEARED, value, max(0.0, at_s - self._raised_s))

    def _event(self, state: str, value: float, lasted_s: float) -> AlarmEvent:
        rule = self.rule
        place = rule.zone or rule.line
        return AlarmEvent(rule.name, rule.text, state, rule.class_name, place, value, rule.unit, lasted_s)
