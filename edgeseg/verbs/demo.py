"""``edgeseg demo``: the whole path on rendered cells, from the shipped checkpoint to masks on a clip."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.quantities import number, whole
from edgeseg.console.terminal import say, say_lines, visible
from edgeseg.errors import EdgesegError, UserError

if TYPE_CHECKING:
    from edgeseg.api.demo import Demo

EXAMPLES = (
    "edgeseg demo",
    "edgeseg demo --out /tmp/demo --frames 50",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg demo``."""
    group = parser.add_argument_group("demo")
    group.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="where results go")
    group.add_argument("--frames", type=whole(1, 1_000_000), default=200, metavar="N", help="length of the clip")
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="CKPT",
        help="another checkpoint of the same classes (default: the one that ships with edgeseg)",
    )
    group.add_argument(
        "--people",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end with a network for persons, which is fetched where it can be had (default: yes)",
    )
    group.add_argument("--max-drop", type=number(0, 100), default=0.5, metavar="P", help="mIoU points INT8 may lose")


def run(args: argparse.Namespace) -> int:
    """Go the whole path and print what it led to; returns the exit code."""
    from edgeseg.api.demo import run_demo

    start = time.perf_counter()
    done = run_demo(args.out, args.checkpoint, frames=args.frames, max_drop=args.max_drop, step=_step)
    _tell(args.out, done, time.perf_counter() - start)
    if args.people:
        _show_people(args.out)
    return 0


@contextlib.contextmanager
def _step(sentence: str, end: str = " ") -> Iterator[None]:
    start = time.perf_counter()
    say_lines(f"{sentence} ...", end=end)
    yield
    say(f"{time.perf_counter() - start:.1f} s")


def _tell(out: Path, done: Demo, seconds: float) -> None:
    from edgeseg.console.text_table import format_table
    from edgeseg.demo.report import report_rows, write_report

    results = done.to_dict()
    write_report(out, results)
    say_lines(f"\n{results['machine']}\n{format_table(report_rows(results))}\n")
    say_lines("\n".join(results["sentences"]))
    say_lines(f"\n{visible(str(out))}/overlay.mp4, contact_sheet.png, report.md ({seconds:.0f} s in all)")
    say(f"proof of the INT8 model: {out}/cells-int8-openvino/report.html")
    say(f"next: {next_command(out)}")


def _show_people(out: Path) -> None:
    """Draw what the zoo's network for persons finds, or say why it cannot be had here; that ends no demo."""
    from edgeseg.api.demo import show_people
    from edgeseg.zoo.find import prepare
    from edgeseg.zoo.registry import PEOPLE

    try:
        with _step("\nand people: a network from the zoo, on drawn persons", end="\n"):
            score = show_people(out / "people.png", prepare(PEOPLE, hurry=True))
    except EdgesegError as error:
        say(f"people are not shown: {error}")
        return
    say(f"IoU {score:.3f} on them: {out}/people.png. On a camera of yours: ", end="")
    say(edgeseg_command("run", PEOPLE.name, "--source", "0", "--show"))


def next_command(out: Path) -> str:
    """Choose a live source that this network understands: in a window where there is a display, else into a video."""
    from edgeseg.runtime.sinks.window import check_display

    live = ("run", out / "cells-int8-openvino", "--source", "test://cells")
    try:
        check_display()
    except UserError:
        return edgeseg_command(*live, "--max-frames", "100", "--save", out / "live.mp4")
    return edgeseg_command(*live, "--show")
