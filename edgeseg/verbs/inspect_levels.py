"""``edgeseg inspect --levels``: which levels of a checkpoint's U-Net its answer comes from."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.extras import require
from edgeseg.console.quantities import number
from edgeseg.console.terminal import say_lines
from edgeseg.errors import UserError
from edgeseg.files.atomic import atomic_file, check_writable
from edgeseg.verbs.flags.masks import add_mask_values

if TYPE_CHECKING:
    from edgeseg.training.pruning.levels import LevelReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg inspect --levels``."""
    group = parser.add_argument_group("levels of a checkpoint")
    group.add_argument("--levels", action="store_true", help="mIoU lost without each level's contribution")
    group.add_argument("--data", type=Path, help="data folder or data.yaml to measure on")
    group.add_argument("--split", default="val", help="which split")
    add_mask_values(group)
    group.add_argument("--max-drop", type=number(0, 100), default=0.5, metavar="P", help="mIoU points a cut may cost")
    group.add_argument("--out", type=Path, metavar="DIR", help="write levels.png and levels.json there")


def run(args: argparse.Namespace) -> int:
    """Measure what each level of a checkpoint brings, and print it; returns the exit code."""
    if args.data is None:
        raise UserError("--levels measures on labelled images; give --data DIR.")
    for module in ("torch", "accelerate", "matplotlib"):
        require(module, "train")
    from edgeseg.training.pruning.levels_report import level_lines, level_values, write_levels

    if args.out:
        check_writable(args.out)
    report, can_cut = _measure(args)
    command = _command(args, report) if can_cut else None
    values = level_values(report, args.max_drop, command)
    if args.out:
        write_levels(args.out / "levels.png", report, args.file.stem)
        with atomic_file(args.out / "levels.json") as staged:
            staged.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    say_lines(json.dumps(values, indent=2) if args.json else "\n".join(level_lines(report, args.max_drop, command)))
    return 0


def _command(args: argparse.Namespace, report: LevelReport) -> str | None:
    """What makes the network that was measured without the levels that can go."""
    level = report.cut(args.max_drop)
    if level is None:
        return None
    meanings = ("--mask-values", args.mask_values) if args.mask_values else ()
    return edgeseg_command("export", args.file, "--drop-levels", str(level.level), "--data", args.data, *meanings)


def _measure(args: argparse.Namespace) -> tuple[LevelReport, bool]:
    """The levels, and whether ``edgeseg export --drop-levels`` takes this network."""
    from tqdm import tqdm

    from edgeseg.models.cut_unet import can_cut
    from edgeseg.training.checkpoint import load_model
    from edgeseg.training.pruning.level_cut import labelled_validator
    from edgeseg.training.pruning.levels import find_joins, measure_levels

    loaded = load_model(args.file)
    validator = labelled_validator(args.data, loaded.spec, args.split, args.mask_values)
    passes = 2 * len(find_joins(loaded.model)) + 1
    with tqdm(desc="levels", total=passes, leave=False, disable=not sys.stderr.isatty()) as bar:
        return measure_levels(loaded.model, validator, bar.update), can_cut(loaded.model)
