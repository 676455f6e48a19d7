"""Flags that say what is looked for in masks, and the settings that they give."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeseg.console.quantities import number, number_above
from edgeseg.errors import UserError
from edgeseg.runtime.analysis.rule import parse_rule
from edgeseg.runtime.analysis.settings import AnalysisSettings

LONGEST_S = 60.0


def add_analysis_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the flags of what is looked for in masks."""
    group.add_argument(
        "--regions", action="store_true", help="list connected areas in --jsonl: size, centre, box and outline"
    )
    group.add_argument(
        "--min-area",
        type=read_min_area,
        metavar="PX",
        help="fill specks and holes of fewer pixels (or CLASS=PX,CLASS=PX)",
    )
    group.add_argument(
        "--smooth",
        type=read_lag,
        metavar="TIME",
        help="hold labels against flicker where nothing moves, with so much lag, as in 200ms",
    )
    group.add_argument("--zones", type=Path, metavar="FILE.toml", help="zones and lines in the picture, and real sizes")
    group.add_argument(
        "--alert",
        action="append",
        type=read_alert,
        metavar="RULE",
        help="an alarm, as in 'person in door > 2%% for 3s'; may be repeated",
    )
    group.add_argument(
        "--fail-if",
        action="append",
        type=read_condition,
        metavar="RULE",
        help="pictures that meet this fail, as in 'scratch > 20 mm2', and the exit code is 1; may be repeated",
    )
    group.add_argument(
        "--mm-per-px", type=number_above(0), metavar="MM", help="how wide a pixel of the frame is, for real sizes"
    )


def read_analysis(args: argparse.Namespace) -> AnalysisSettings:
    """Build the settings of what is looked for.

    Raises:
        UserError: something that cannot be meant.
    """
    from edgeseg.runtime.analysis.zone_file import Shapes, read_zone_file

    shapes = read_zone_file(args.zones) if args.zones else Shapes()
    return AnalysisSettings(
        regions=args.regions,
        min_area=args.min_area or 0.0,
        smooth_s=args.smooth or 0.0,
        zones=shapes.zones,
        lines=shapes.lines,
        alerts=tuple(args.alert or ()),
        fail_if=tuple(args.fail_if or ()),
        mm_per_px=args.mm_per_px,
        plane=shapes.plane,
    )


def read_min_area(text: str) -> float | dict[str, float]:
    """Read ``50``, or ``person=200,car=80``, as the ``type`` of a flag.

    Raises:
        argparse.ArgumentTypeError: neither of both.

    >>> read_min_area("50"), read_min_area("person=200,car=80")
    (50.0, {'person': 200.0, 'car': 80.0})
    """
    least = number(0)
    if "=" not in text:
        return least(text)
    parts = (part.rpartition("=") for part in text.split(","))
    return {name.strip(): least(value) for name, _, value in parts}


def read_lag(text: str) -> float:
    """Read a time up to a minute, ``200ms`` or ``0.5s``, as the ``type`` of a flag; in seconds.

    Raises:
        argparse.ArgumentTypeError: none.

    >>> read_lag("200ms"), read_lag("1.5s")
    (0.2, 1.5)
    """
    unit = 1e-3 if text.strip().endswith("ms") else 1.0
    try:
        value = number_above(0)(text.strip().removesuffix("ms" if unit < 1 else "s")) * unit
    except argparse.ArgumentTypeError:
        value = 0.0
    if not text.strip().endswith("s") or not 0 < value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"it takes a time up to a minute, as in 200ms or 0.5s; found {text!r}")
    return value


def read_alert(text: str) -> str:
    """Check a rule of alarms, as the ``type`` of a flag; raises argparse.ArgumentTypeError."""
    return _check_rule(text, is_verdict=False)


def read_condition(text: str) -> str:
    """Check a condition on single pictures, as the ``type`` of a flag; raises argparse.ArgumentTypeError."""
    return _check_rule(text, is_verdict=True)


def _check_rule(text: str, is_verdict: bool) -> str:
    try:
        parse_rule(text, is_verdict)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from None
    return text
