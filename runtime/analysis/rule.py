"""Rules in words, ``person in door > 2% for 3s``, as values.

::

    [NAME:] [largest | count] CLASS [in ZONE | touches LINE] [OP NUMBER UNIT] [until NUMBER] [for TIME] [during WEEK]

    OP    > >= < <=
    UNIT  %  px  mm2 cm2 m2          none after count
    TIME  500ms  3s  2min  1h
    WEEK  mon-fri 22:00-06:00 and sat,sun

``%`` is a part of the zone, or of the picture where no zone is named. Without ``largest`` or ``count`` all areas of
the class are measured together. A condition that is left out is met by any pixel. Names that hold words of the
grammar stand in quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgeseg.errors import UserError
from edgeseg.runtime.analysis.schedule import Schedule, parse_schedule

TOTAL, LARGEST, COUNT = "total", "largest", "count"
MM2 = {"mm2": 1.0, "cm2": 100.0, "m2": 1e6}
KEPT = 0.8
"""An alarm that came on above a limit stays on above this part of it, where no ``until`` says another."""
_EXAMPLE = "as in 'person in door > 2% for 3s', 'count person >= 3', 'largest scratch > 20 mm2' or 'car touches line'"
_CLAUSES = re.compile(r'"[^"]*"|(?<!\S)(until|for|during)(?=\s)', re.IGNORECASE)
_NUMBER = r"\d{1,12}(?:\.\d{1,12})?"
_UNIT = r"%|px|pixels?|mm2|mm²|cm2|cm²|m2|m²"
_CONDITION = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})\s*({_UNIT})?\s*$", re.ASCII)
_UNTIL = re.compile(rf"(?:>=|<=|>|<)?\s*({_NUMBER})\s*({_UNIT})?", re.ASCII)
_SUBJECT = re.compile(r'(?:(largest|count)\s+)?("[^"]+"|\S.*?)(?:\s+(in|touches)\s+("[^"]+"|\S.*?))?\s*')
_NAME = re.compile(r'([^:"<>=]+):\s+(.*)', re.DOTALL)
_TIME = re.compile(rf"({_NUMBER})\s*(ms|s|sec|min|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "h": 3600}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        text: as it was given.
        name: what alarms call it: the name it was given, or its text.
        measure: ``total``, ``largest`` or ``count``.
        class_name: whose areas are measured.
        zone, line: where; empty for the whole picture. At most one of both.
        compare: ``>``, ``>=``, ``<`` or ``<=``.
        limit: in ``unit``.
        unit: ``%``, ``px``, ``mm2``, ``cm2``, ``m2``, or empty for a number.
        until: the alarm stays on while the value compares so with this one.
        hold_s: how long the condition must hold before the alarm comes on, and be gone before it goes off.
        schedule: when the rule is judged; None for always.
    """

    text: str
    name: str
    measure: str
    class_name: str
    zone: str = ""
    line: str = ""
    compare: str = ">"
    limit: float = 0.0
    unit: str = "px"
    until: float = 0.0
    hold_s: float = 0.0
    schedule: Schedule | None = None

    @property
    def needs_regions(self) -> bool:
        """Whether single areas have to be known."""
        return self.measure != TOTAL

    @property
    def needs_real_size(self) -> bool:
        """Whether its unit is one of real sizes."""
        return self.unit in MM2

    def is_met(self, value: float, active: bool) -> bool:
        """Tell whether a value, in :attr:`unit`, brings the alarm on, or leaves it on where it is."""
        return _COMPARE[self.compare](value, self.until if active else self.limit)


def parse_rule(text: str, is_verdict: bool = False) -> Rule:
    """Read a rule; whether there are such a class and zone is seen later, by :func:`check_names`.

    Args:
        text: see the grammar of this module.
        is_verdict: True for a condition on single pictures, which knows no time.

    Raises:
        UserError: it is none; the message says at which words.

    >>> rule = parse_rule("intruder: person in door > 2% for 3s during 22:00-06:00")
    >>> rule.name, rule.class_name, rule.zone, rule.limit, rule.unit, rule.hold_s, rule.until
    ('intruder', 'person', 'door', 2.0, '%', 3.0, 1.6)
    """
    if not isinstance(text, str) or not text.strip() or len(text) > 500:
        raise UserError(f"A rule is one line of text, {_EXAMPLE}; found {text!r}.")
    named = _NAME.fullmatch(text.strip())
    head, clauses = _split(named[2] if named else text.strip(), text)
    if is_verdict and clauses:
        raise UserError(
            f"The condition {text!r} is one on single pictures and takes no {next(iter(clauses))!r}; leave that out."
        )
    condition = _CONDITION.search(head)
    subject = _SUBJECT.fullmatch(head[: condition.start()] if condition else head)
    if subject is None or re.search(r"[<>=%]", re.sub(r'"[^"]*"', "", subject[0])):
        raise _refusal(text, head)
    found: dict[str, Any] = {"text": text.strip(), "name": named[1].strip() if named else text.strip()}
    found |= _read_subject(subject)
    found |= _read_condition(text, subject, condition)
    found |= _read_until(text, found, clauses.get("until"))
    if "for" in clauses:
        found["hold_s"] = _read_time(text, clauses["for"])
    if "during" in clauses:
        found["schedule"] = parse_schedule(clauses["during"])
    return Rule(**found)


def check_names(rule: Rule, classes: Sequence[str], zones: Sequence[str], lines: Sequence[str]) -> None:
    """Find out whether there is what a rule names.

    Raises:
        UserError: there is not; the message offers the closest.
    """
    named = (("class", rule.class_name, classes), ("zone", rule.zone, zones), ("line", rule.line, lines))
    for kind, name, known in named:
        if name and name not in known:
            raise UserError(f"The rule {rule.text!r} names the {kind} {name!r}. {describe_known(kind, name, known)}")


def describe_known(kind: str, name: str, known: Sequence[str]) -> str:
    """Word what there is in place of a name that is not there, the closest first."""
    if not known:
        return f"There is no {kind}; `zones` is the file that gives them."
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), {each.lower(): each for each in known}, 1, 0.5)
    hint = "".join(f" Did you mean {each!r}?" for each in known if near and each.lower() == near[0])
    return f"There is {'one' if len(known) == 1 else 'only'}: {', '.join(known)}.{hint}"


def _split(text: str, whole: str) -> tuple[str, dict[str, str]]:
    """What comes before the clauses, and each clause by its word."""
    found = [match for match in _CLAUSES.finditer(text) if match[1]]
    ends = [*(match.start() for match in found), len(text)][1:]
    clauses: dict[str, str] = {}
    for match, end in zip(found, ends, strict=True):
        word = match[1].lower()
        if word in clauses:
            raise UserError(f"The rule {whole!r} says {word!r} twice; leave one of them out.")
        clauses[word] = text[match.end() : end].strip()
    return text[: found[0].start()] if found else text, clauses


def _read_subject(subject: re.Match[str]) -> dict[str, Any]:
    measure, name, where, place = subject.groups()
    found = {"measure": measure or TOTAL, "class_name": name.strip('"')}
    if place:
        found["zone" if where == "in" else "line"] = place.strip('"')
    return found


def _read_condition(text: str, subject: re.Match[str], condition: re.Match[str] | None) -> dict[str, Any]:
    measure, where = subject[1], subject[3]
    unit = "" if measure == COUNT else "px"
    if where == "touches" and (condition or measure):
        raise UserError(f"The rule {text!r} asks whether a line is touched, which is no amount: leave out the number.")
    if condition is None:
        return {"unit": unit}
    compare, limit, given = condition.groups()
    if measure == COUNT and given:
        raise UserError(f"The rule {text!r} counts areas, and {given!r} is the unit of a size; leave it out.")
    if measure != COUNT and not given:
        raise UserError(f"The rule {text!r} compares a size; write its unit behind {limit}: %, px, mm2, cm2 or m2.")
    return {"compare": compare, "limit": float(limit), "unit": _unit(given) if given else unit}


def _read_until(text: str, found: dict[str, Any], clause: str | None) -> dict[str, Any]:
    compare, limit = found.get("compare", ">"), found.get("limit", 0.0)
    is_above = compare.startswith(">")
    if clause is None:
        part = 1.0 if found["measure"] == COUNT else KEPT if is_above else 1 / KEPT
        return {"until": round(limit * part, 9)}
    given = _UNTIL.fullmatch(clause)
    if not given or (given[2] and _unit(given[2]) != found["unit"]):
        unit = found["unit"] or "no unit"
        raise UserError(f"The rule {text!r} has an 'until' of {clause!r}; it takes a number in {unit}, as the limit.")
    until = float(given[1])
    if until > limit if is_above else until < limit:
        side = "lower" if is_above else "higher"
        raise UserError(f"The rule {text!r} would never stay on: 'until' is {side} than the limit or the same.")
    return {"until": until}


def _read_time(text: str, clause: str) -> float:
    found = _TIME.fullmatch(clause)
    if not found:
        raise UserError(f"The rule {text!r} holds 'for' {clause!r}; it takes a time, as in 500ms, 3s or 2min.")
    return float(found[1]) * _SECONDS[found[2]]


def _unit(text: str) -> str:
    return "px" if text.startswith("p") else text.replace("²", "2")


def _refusal(text: str, head: str) -> UserError:
    at = re.search(r"[<>=].*", head)
    return UserError(
        f"The rule {text!r} is not understood at {(at[0] if at else head).strip()!r}. A rule is a class, a zone if one "
        f"is meant, and a condition, {_EXAMPLE}."
    )
