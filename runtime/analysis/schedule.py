"""When in the week a rule is judged: ``mon-fri 22:00-06:00``."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from edgeseg.errors import UserError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", re.ASCII)


@dataclass(frozen=True)
class Period:
    """The same time on some days.

    Attributes:
        days: 0 is Monday.
        begin, end: minutes after midnight; where the end is not later than the beginning, it is that of the next day.
    """

    days: frozenset[int]
    begin: int = 0
    end: int = _DAY_MINUTES

    def covers(self, moment: datetime.datetime) -> bool:
        """Tell whether a moment, on the clock of the place, is in it."""
        minute, day = 60 * moment.hour + moment.minute, moment.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True)
class Schedule:
    """Some periods of the week; on the clock of the machine, with its time zone."""

    periods: tuple[Period, ...]

    def covers(self, moment: datetime.datetime) -> bool:
        """Tell whether a moment is in one of the periods.

        >>> night = parse_schedule("fri 22:00-06:00")
        >>> night.covers(datetime.datetime(2026, 11, 28, 5, 59)), night.covers(datetime.datetime(2026, 11, 28, 22, 0))
        (True, False)
        """
        return any(period.covers(moment) for period in self.periods)


def parse_schedule(text: str) -> Schedule:
    """Read days, times or both, several of them joined by ``and``: ``mon-fri 22:00-06:00 and sat,sun``.

    A time that ends before it begins ends on the next day.

    Raises:
        UserError: something else.

    >>> len(parse_schedule("mon-fri 22:00-06:00 and sat,sun").periods)
    2
    """
    return Schedule(tuple(_parse_period(part, text) for part in re.split(r"\s+and\s+", text.strip().lower())))


def _parse_period(part: str, text: str) -> Period:
    times = _TIMES.search(part)
    days_text = (part[: times.start()] + part[times.end() :] if times else part).strip()
    days = frozenset(_parse_days(days_text, text)) if days_text else frozenset(range(7))
    if not times:
        return Period(days)
    hours = [int(value) for value in times.groups()]
    begin, end = 60 * hours[0] + hours[1], 60 * hours[2] + hours[3]
    if max(hours[1], hours[3]) > 59 or max(begin, end) > _DAY_MINUTES or begin == end:
        raise _refusal(text, times[0])
    return Period(days, begin, end)


def _parse_days(words: str, text: str) -> Iterator[int]:
    for word in re.split(r"\s*,\s*", words):
        first, dash, last = (end.strip() for end in word.partition("-"))
        begin = _parse_day(first, text)
        yield begin
        end = _parse_day(last, text) if dash else begin
        while begin != end:
            begin = (begin + 1) % 7
            yield begin


def _parse_day(word: str, text: str) -> int:
    if word[:3] in DAYS and (len(word) == 3 or word in _LONG_DAYS):
        return DAYS.index(word[:3])
    raise _refusal(text, word)


_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _refusal(text: str, word: str) -> UserError:
    from difflib import get_close_matches

    near = get_close_matches(word, DAYS, 1, 0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(
        f"{text!r} is no time of the week: {word!r} is not understood. "
        f"It is days, times or both, as in 'mon-fri 22:00-06:00' or 'sat,sun'.{hint}"
    )
