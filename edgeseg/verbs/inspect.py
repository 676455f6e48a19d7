"""``edgeseg inspect``: what is inside a checkpoint, an ONNX file, an engine file or an artifact."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeseg.console.command import edgeseg_command
from edgeseg.console.terminal import say_lines, visible
from edgeseg.console.text_table import format_table
from edgeseg.console.wording import reword_values
from edgeseg.verbs import inspect_levels

EXAMPLES = (
    "edgeseg inspect ARTIFACT --layers",
    "edgeseg inspect ARTIFACT --times",
    "edgeseg inspect best.pt --levels --data DIR",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg inspect``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="artifact directory, .onnx, .pt or .engine file")
    output = parser.add_argument_group("output")
    output.add_argument("--layers", action="store_true", help="list every layer with its precision")
    output.add_argument("--times", action="store_true", help="time every layer here; say why one is slow")
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    inspect_levels.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is inside a model; returns the exit code."""
    if args.levels:
        return inspect_levels.run(args)
    from edgeseg.api.inspect_model import inspect_model

    values = reword_values(inspect_model(args.file, layers=args.layers, times=args.times))
    if "onnx" in values and values["spec"] is None:
        values["spec"] = f"none: {edgeseg_command('export', args.file)} says which flags give one"
    if args.times and not args.json:
        say_lines("\n".join(map(visible, _time_lines(values["times"]))))
        return 0
    say_lines(json.dumps(values, indent=2, default=str) if args.json else "\n".join(map(visible, _lines(values))))
    return 0


def _time_lines(times: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A row a layer, and below the table a sentence for each kind that is not what it should be."""
    rows = [["layer", "kind", "kernel", "ms", "share", ""]]
    for one in times:
        rows.append(
            [
                one["name"],
                one["kind"],
                one["kernel"],
                f"{one['ms']:.3f}",
                f"{one['share']:.1%}",
                ", ".join(one["notes"]),
            ]
        )
    yield from format_table(rows, left=(0, 1, 2, 5)).splitlines()
    reasons: dict[tuple[str, str], float] = {}
    for one in times:
        if one["why"]:
            key = (one["kind"], one["why"])
            reasons[key] = reasons.get(key, 0.0) + one["ms"]
    for (kind, why), ms in reasons.items():
        yield f"{kind}, {ms:.2f} ms: {why}"


COUNTED = ("pictures",)
"""Fields whose values are too many for people."""


def _lines(values: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    wide = max((len(str(key)) for key in values), default=0)
    indent = "  " * depth
    for key, value in values.items():
        if key in COUNTED and value:
            yield f"{indent}{key!s:<{wide}}  {len(value)}, see --json"
        elif isinstance(value, Mapping) and value:
            yield f"{indent}{key}"
            yield from _lines(value, depth + 1)
        else:
            yield f"{indent}{key!s:<{wide}}  {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) if not isinstance(item, list | tuple) else str(tuple(item)) for item in value)
    if value is None or value == {}:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
