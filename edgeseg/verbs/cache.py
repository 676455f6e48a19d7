"""``edgeseg cache``: what lies in the cache folder, and how it goes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.terminal import say_lines

if TYPE_CHECKING:
    from edgeseg.runtime.system.cache_contents import CacheEntry

EXAMPLES = ("edgeseg cache", "edgeseg cache --clear --older-than 30d")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg cache``."""
    group = parser.add_argument_group("cache")
    group.add_argument("--clear", action="store_true", help="remove it; what is needed is made again, which takes time")
    group.add_argument(
        "--older-than", metavar="TIME", help="only what was written before that, as in 30d (default: everything)"
    )
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """List the cache or remove it; returns the exit code."""
    from edgeseg.console.quantities import duration_s
    from edgeseg.files.cache_folder import cache_folder
    from edgeseg.runtime.system.cache_contents import cache_entries, clear

    entries = cache_entries(duration_s(args.older_than) if args.older_than else 0.0)
    removed = [entry for entry in entries if clear(entry)] if args.clear else []
    if args.json:
        values = [{**entry.to_dict(), "removed": entry in removed} for entry in entries]
        say_lines(json.dumps({"folder": str(cache_folder()), "entries": values}, indent=2))
    else:
        say_lines(f"{cache_folder()}\n{_text(entries, removed, args.clear)}")
    return 0


def _text(entries: Sequence[CacheEntry], removed: Sequence[CacheEntry], was_cleared: bool) -> str:
    if not entries:
        return "nothing to show"
    lines = []
    for kind in sorted({entry.kind for entry in entries}):
        own = [entry for entry in entries if entry.kind == kind]
        lines.append(f"  {kind:<28}{len(own):>5}  {_megabytes(own):>10}")
    lines.append(f"  {'all':<28}{len(entries):>5}  {_megabytes(entries):>10}")
    if was_cleared:
        kept = f"; {len(entries) - len(removed)} could not be removed" if len(removed) < len(entries) else ""
        return "\n".join([*lines, f"removed {len(removed)}, {_megabytes(removed)}{kept}"])
    return "\n".join([*lines, f"remove it with: {edgeseg_command('cache', '--clear')}"])


def _megabytes(entries: Sequence[CacheEntry]) -> str:
    return f"{sum(entry.size for entry in entries) / 1e6:.1f} MB"
