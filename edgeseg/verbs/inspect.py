"""``edgeseg inspect``: what is inside a checkpoint, an ONNX file, an engine file or an artifact."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeseg.console.command import edgeseg_command
from edgeseg.console.terminal import say_lines, visible
from edgeseg.console.wording import reword_values
from edgeseg.verbs import inspect_levels

EXAMPLES = (
    "edgeseg inspect ARTIFACT --layers",
    "edgeseg inspect best.pt --levels --data DIR",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg inspect``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="artifact directory, .onnx, .pt or .engine file")
    output = parser.add_argument_group("output")
    output.add_argument("--layers", action="store_true", help="list every layer with its precision")
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    inspect_levels.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is inside a model; returns the exit code."""
    if args.levels:
        return inspect_levels.run(args)
    from edgeseg.api.inspect_model import inspect_model

    values = reword_values(inspect_model(args.file, layers=args.layers))
    if "onnx" in values and values["spec"] is None:
        values["spec"] = f"none: {edgeseg_command('export', args.file)} says which flags give one"
    say_lines(json.dumps(values, indent=2, default=str) if args.json else "\n".join(map(visible, _lines(values))))
    return 0


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
