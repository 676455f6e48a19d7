"""``edgeseg dataset``: anyone's labels, written in our layout, checked, split and packed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.progress import show_progress
from edgeseg.console.quantities import number, number_above, whole
from edgeseg.console.terminal import say, say_lines, visible
from edgeseg.console.text_table import format_table
from edgeseg.errors import DataError
from edgeseg.verbs.flags.masks import add_mask_values

if TYPE_CHECKING:
    from edgeseg.datasets.check import DatasetReport
    from edgeseg.datasets.convert import Conversion

EXAMPLES = (
    "edgeseg dataset check DIR",
    "edgeseg dataset convert DIR --out DIR2",
    "edgeseg dataset convert DIR --out DIR2 --colors road=128,64,128 sky=70,130,180",
    "edgeseg dataset split DIR --out DIR2 --val 0.2 --by group",
    "edgeseg dataset shard DIR --out SHARDS",
)
MISSING = ("refuse", "background", "skip")
SHEET = "contact-sheet.png"
MOST_SIZES, MOST_SHOWN = 5, 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of ``edgeseg dataset`` and their flags."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    helps = {
        "check": "count, look for leaks and wrong labels, and draw a contact sheet",
        "convert": "write labels of any format that is read in our layout",
        "split": "divide into train and val so that what belongs together stays together",
        "shard": "write tar files in the WebDataset format",
    }
    for name, add in _ADDERS.items():
        add(actions.add_parser(name, help=helps[name], description=helps[name][0].upper() + helps[name][1:] + "."))


def _add_check(parser: argparse.ArgumentParser) -> None:
    _add_labels(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--sheet",
        type=Path,
        default=Path(SHEET),
        metavar="FILE",
        help="contact sheet, PNG, JPEG (default: %(default)s)",
    )
    output.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_convert(parser: argparse.ArgumentParser) -> None:
    _add_labels(parser)
    parser.add_argument_group("wrong labels").add_argument(
        "--skip-wrong", action="store_true", help="leave out pictures whose labels are wrong"
    )
    parser.add_argument(
        "--multilabel",
        action="store_true",
        help="a pixel may show several classes: drawn objects that cover one another all stay",
    )
    _add_output(parser)


def _add_split(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    split = parser.add_argument_group("split")
    split.add_argument(
        "--val", type=number_above(0, 1), default=0.2, metavar="S", help="share for validation (default: %(default)s)"
    )
    split.add_argument(
        "--test", type=number(0, 1), default=0.0, metavar="S", help="share for test (default: %(default)s)"
    )
    split.add_argument(
        "--by",
        choices=("auto", "group", "time", "random"),
        default="auto",
        help="whole groups, the end of each sequence, or single pictures (default: %(default)s, as names tell)",
    )
    split.add_argument("--seed", type=whole(), default=0, help="of the draw (default: %(default)s)")
    labels = parser.add_argument_group("labels")
    add_mask_values(labels)
    _add_missing(labels)
    _add_output(parser)


def _add_shard(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument_group("shards").add_argument(
        "--shard-mb", type=number_above(0), default=256, metavar="MB", help="size of a shard (default: %(default)s)"
    )
    labels = parser.add_argument_group("labels")
    add_mask_values(labels)
    _add_missing(labels)
    _add_output(parser)


_ADDERS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "check": _add_check,
    "convert": _add_convert,
    "split": _add_split,
    "shard": _add_shard,
}


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DIR", help="data folder in any format that is read, or its file")


def _add_labels(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    labels = parser.add_argument_group("labels")
    labels.add_argument("--classes", metavar="A,B,...", help="names in label order (default: those of the data)")
    add_mask_values(labels)
    labels.add_argument(
        "--colors", nargs="+", metavar="CLASS=R,G,B", help="colour of each class in the masks; void is not scored"
    )
    labels.add_argument(
        "--accept-colors", action="store_true", help="take colours or grey steps for what they were guessed to mean"
    )
    _add_missing(labels)


def _add_missing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--missing",
        choices=MISSING,
        default="refuse",
        help="pictures without labels: a fault, all background, or left out (default: %(default)s)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write (required)")
    output.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Do what is asked for and print what was found; returns the exit code."""
    return {"check": _check, "convert": _convert, "split": _split, "shard": _shard}[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from edgeseg.api.datasets import check_dataset

    with show_progress() as progress:
        report = check_dataset(
            args.data,
            sheet=args.sheet,
            classes=_names(args.classes),
            mask_values=args.mask_values,
            colors=_colors(args.colors),
            accept_colors=args.accept_colors,
            missing=args.missing,
            progress=progress,
        )
    if args.json:
        say_lines(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        _print_report(report)
    return 0 if report.passed else 1


def _print_report(report: DatasetReport) -> None:
    say(f"{report.folder}: {sum(report.pictures.values())} pictures, read as {report.format}")
    splits = list(report.pictures)
    heads = ["class", *(word for split in splits for word in (f"{split} pixels", "pictures"))]
    rows = [
        [visible(name), *(cell for split in splits for cell in _cells(report, split, label))]
        for label, name in enumerate(report.classes)
    ]
    void = ["void", *(cell for split in splits for cell in (f"{100 * report.void[split]:.1f} %", ""))]
    total = ["all", *(cell for split in splits for cell in ("", str(report.pictures[split])))]
    say_lines(format_table([[visible(head) for head in heads], *rows, void, total]))
    sizes = [f"{width}x{height} ({count})" for (height, width), count in list(report.sizes.items())[:MOST_SIZES]]
    more = f" and {len(report.sizes) - MOST_SIZES} more" if len(report.sizes) > MOST_SIZES else ""
    say(f"sizes: {', '.join(sizes) or 'none'}{more}")
    for sentence in report.notes:
        say(f"note: {sentence}")
    for finding in report.findings[:MOST_SHOWN]:
        say(f"{'WRONG' if finding.serious else 'look'}: {finding.sentence}")
    if len(report.findings) > MOST_SHOWN:
        say(f"and {len(report.findings) - MOST_SHOWN} more findings; all of them with --json")
    if report.sheet is not None:
        say(f"contact sheet: {report.sheet}")
    serious = sum(finding.serious for finding in report.findings)
    say("nothing serious found" if report.passed else f"{serious} serious finding{'s' * (serious > 1)}")


def _cells(report: DatasetReport, split: str, label: int) -> tuple[str, str]:
    return f"{100 * report.shares[split][label]:.1f} %", str(report.shown_in[split][label])


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
            multilabel=args.multilabel,
            progress=progress,
        )
    return _print_conversion(done, args.json)


def _split(args: argparse.Namespace) -> int:
    from edgeseg.api.datasets import split_dataset

    with show_progress() as progress:
        done = split_dataset(
            args.data,
            out=args.out,
            val=args.val,
            test=args.test,
            by=args.by,
            seed=args.seed,
            mask_values=args.mask_values,
            missing=args.missing,
            progress=progress,
        )
    return _print_conversion(done, args.json)


def _print_conversion(done: Conversion, as_json: bool) -> int:
    from edgeseg.datasets.formats.labelled_set import VOID

    if as_json:
        say_lines(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
        return 0
    counts = ", ".join(f"{count} {split}" for split, count in done.pictures.items())
    say(f"{done.folder}: {counts}; read as {done.format}")
    total = max(1, sum(done.pixels.values()))
    names = {**dict(enumerate(done.classes)), VOID: "void"}
    shown = {label: count for label, count in sorted(done.pixels.items()) if count or label != VOID}
    rows = [[str(k), visible(names[k]), f"{100 * count / total:.1f} %"] for k, count in shown.items()]
    say_lines(format_table([["label", "class", "of the pixels"], *rows], left=(0, 1)))
    for sentence in (*done.notes, *(f"Left out: {one}" for one in done.left_out)):
        say(sentence)
    return 0


def _shard(args: argparse.Namespace) -> int:
    from edgeseg.api.datasets import shard_dataset

    with show_progress() as progress:
        done = shard_dataset(
            args.data,
            out=args.out,
            shard_mb=args.shard_mb,
            mask_values=args.mask_values,
            missing=args.missing,
            progress=progress,
        )
    if args.json:
        say_lines(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
        return 0
    for split, files in done.files.items():
        say(f"{done.folder}: {done.pictures[split]} {split} in {len(files)} shards, {files[0]} to {files[-1]}")
    for sentence in done.left_out:
        say(f"Left out: {sentence}")
    return 0


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _colors(words: Sequence[str] | None) -> dict[str, str] | None:
    if words is None:
        return None
    if wrong := [word for word in words if "=" not in word]:
        raise DataError(f"`colors` says CLASS=R,G,B, such as road=128,64,128; found {wrong[0]!r}.")
    return {name.strip(): color for name, _, color in (word.rpartition("=") for word in words)}
