"""``edgeseg dataset``: anyone's labels, written in our layout."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.progress import show_progress
from edgeseg.console.terminal import say, say_lines, visible
from edgeseg.console.text_table import format_table
from edgeseg.errors import DataError
from edgeseg.verbs.flags.masks import add_mask_values

if TYPE_CHECKING:
    from edgeseg.datasets.convert import Conversion

EXAMPLES = (
    "edgeseg dataset convert DIR --out DIR2",
    "edgeseg dataset convert DIR --out DIR2 --colors road=128,64,128 sky=70,130,180",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of ``edgeseg dataset`` and their flags."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_convert(actions.add_parser("convert", help="write labels of any format that is read in our layout"))


def _add_convert(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write; it must be empty")
    labels = parser.add_argument_group("labels")
    labels.add_argument("--classes", metavar="A,B,...", help="names in label order, where the data has none")
    add_mask_values(labels)
    labels.add_argument(
        "--colors", nargs="+", metavar="CLASS=R,G,B", help="colour of each class in the masks; void is not scored"
    )
    labels.add_argument(
        "--accept-colors", action="store_true", help="take colours or grey steps for what they were guessed to mean"
    )
    labels.add_argument(
        "--missing",
        choices=("refuse", "background", "skip"),
        default="refuse",
        help="pictures without labels: refuse them, all background, or leave them out (default: %(default)s)",
    )
    labels.add_argument("--skip-wrong", action="store_true", help="leave out pictures whose labels are wrong")
    _add_json(parser)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DIR", help="data folder in any format that is read, or its file")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Do what is asked for and print what was found; returns the exit code."""
    return {"convert": _convert}[args.action](args)


def _convert(args: argparse.Namespace) -> int:
    from edgeseg.api.datasets import convert_dataset

    with show_progress() as progress:
        done = convert_dataset(
            args.data,
            out=args.out,
            classes=_names(args.classes),
            mask_values=args.mask_values,
            colors=_colors(args.colors),
            accept_colors=args.accept_colors,
            missing=args.missing,
            skip_wrong=args.skip_wrong,
            progress=progress,
        )
    if args.json:
        say_lines(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print_conversion(done)
    return 0


def _print_conversion(done: Conversion) -> None:
    from edgeseg.datasets.formats.labelled_set import VOID

    counts = ", ".join(f"{count} {split}" for split, count in done.pictures.items())
    say(f"{done.folder}: {counts}; read as {done.format}")
    total = max(1, sum(done.pixels.values()))
    names = {**dict(enumerate(done.classes)), VOID: "void"}
    shown = {label: count for label, count in sorted(done.pixels.items()) if count or label != VOID}
    rows = [[str(k), visible(names[k]), f"{100 * count / total:.1f} %"] for k, count in shown.items()]
    say_lines(format_table([["label", "class", "of the pixels"], *rows]))
    for sentence in (*done.notes, *(f"Left out: {one}" for one in done.left_out)):
        say(sentence)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _colors(words: Sequence[str] | None) -> dict[str, str] | None:
    if words is None:
        return None
    if wrong := [word for word in words if "=" not in word]:
        raise DataError(f"`colors` says CLASS=R,G,B, such as road=128,64,128; found {wrong[0]!r}.")
    return {name.strip(): color for name, _, color in (word.rpartition("=") for word in words)}
