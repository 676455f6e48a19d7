"""``edgeseg verify``: the masks of several forms of a model, from the image file on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL", help="checkpoints and artifacts, reference first"
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder, or a folder of images")
    parser.add_argument("--split", help="which split of a data folder (default: val)")
    parser.add_argument("--ignore-index", type=int, metavar="N", help="mask value that means void")
    parser.add_argument("--max-drop", type=float, metavar="P", help="points any model may lose (default: see export)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    from edgeseg.calibration.progress import bar_on_tty
    from edgeseg.export.compare import compare
    from edgeseg.export.gates import check_drop, drop_limit
    from edgeseg.export.report import comparison_text
    from edgeseg.export.samples import samples_from
    from edgeseg.export.verify import opened_models

    with opened_models(args.models) as (stages, spec):
        samples = samples_from(args.data, spec, args.split, args.ignore_index)
        with bar_on_tty("verify", len(samples)) as tick:
            comparison = compare(stages, samples, spec, tick)
    print(json.dumps(comparison.to_dict(), indent=2) if args.json else comparison_text(comparison))
    check_drop(comparison, drop_limit(args.max_drop, samples))
    return 0
