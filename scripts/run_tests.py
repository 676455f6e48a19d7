"""Run the tests in two rounds, and say in one screen what came of both.

In the first round several processes share the tests, more than there are cores, because half of the time is waited for
cameras, processes and clocks. The second runs what measures time (marked ``alone``), with nothing beside it. Fixtures
that are slow to make (``tests/shared_folder.py``) are made once for all processes of both.

::

    run_tests.py [--long] [--jobs N] [what pytest takes: paths, -k, -x ...]

The exit code is 0 when everything passed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

INTERRUPTED, NOTHING_COLLECTED = 2, 5
"""Exit codes of pytest."""
LINES = 20
"""Reasons and failures that are listed before the rest is only counted."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Two processes with two threads each on two cores wait for each other: OpenMP's barriers spin."""


@dataclass
class Outcome:
    """What came of both rounds."""

    code: int = NOTHING_COLLECTED
    seconds: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add_round(self, title: str, code: int, seconds: float, record: Path) -> None:
        """Add a round; one that collected nothing decides nothing."""
        if self.code in (0, NOTHING_COLLECTED) and (code != NOTHING_COLLECTED or self.code == NOTHING_COLLECTED):
            self.code = code
        self.seconds[title] = seconds
        if record.exists():
            for case in ET.parse(record).iter("testcase"):
                self._add_case(case)

    def _add_case(self, case: ET.Element) -> None:
        found = {child.tag: child for child in case}
        if "failure" in found or "error" in found:
            self.counts["failed"] += 1
            self.failed.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in found:
            self.counts["skipped"] += 1
            self.reasons[found["skipped"].get("message", "no reason given")] += 1
        else:
            self.counts["passed"] += 1

    def summarize(self) -> str:
        """Summarize in at most a screen: counts, times, what was skipped and why, what failed."""
        rounds = ", ".join(f"{title} {format_time(seconds)}" for title, seconds in self.seconds.items())
        counts = ", ".join(f"{self.counts[what]} {what}" for what in ("passed", "failed", "skipped"))
        ended = "interrupted; until then " if self.code == INTERRUPTED else ""
        lines = [f"{ended}{counts} in {format_time(sum(self.seconds.values()))} ({rounds})"]
        lines += list_some([f"{count:>6} skipped: {reason}" for reason, count in self.reasons.most_common()])
        lines += list_some([f"  FAILED {name}" for name in self.failed])
        return "\n".join(lines)


def list_some(lines: list[str]) -> list[str]:
    return [*lines[:LINES], *([f"       and {len(lines) - LINES} more lines"] if len(lines) > LINES else [])]


def format_time(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--long", action="store_true", help="only the long tests (default: all others)")
    parser.add_argument("--jobs", type=int, default=usable_cores() + 2, help="processes of the first round")
    return parser.parse_known_args()


def run_round(words: list[str], record: Path, environment: dict[str, str]) -> tuple[int, float]:
    """Run pytest; Ctrl-C reaches it by the terminal, and it ends in its own way."""
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", f"--junit-xml={record}", *words]
    with subprocess.Popen(command, env={**os.environ, **environment}) as child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = child.wait()
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return code, time.monotonic() - start


def main() -> int:
    options, words = read_arguments()
    length = ("long", ["--timeout", "1800"]) if options.long else ("not long", [])
    together = ["-n", str(options.jobs), "--dist", "loadfile", "--no-loadscope-reorder"] if options.jobs > 1 else []
    rounds = {"side by side": ("not alone", together, ONE_THREAD), "alone": ("alone", [], {})}
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="edgeseg-tests-") as folder:
        for title, (which, flags, environment) in rounds.items():
            print(f"--- {title}", flush=True)
            record = Path(folder, f"{which}.xml")
            command = ["-m", f"{length[0]} and {which}", *length[1], *flags, *words]
            code, seconds = run_round(command, record, {**environment, "EDGESEG_TESTS_SHARED": folder})
            outcome.add_round(title, code, seconds, record)
            if code == INTERRUPTED:
                break
    print(f"--- {outcome.summarize()}", flush=True)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
