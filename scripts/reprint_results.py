"""Print the tables of docs/results.md, with those beside them that this machine can measure in a quarter of an hour.

Run it as::

    python scripts/reprint_results.py [--minutes 15] [--data CAMVID] [--out build/results] [--only WORD]

A table that is not measured again is marked as of the machine that its line names. Nothing is written into the page.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.proof.toolchain import toolchain
from edgeseg.runtime.system.machine import this_cpu

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
PROVENANCE = re.compile(
    r"^\*On (?P<machine>[^;*]+); (?P<load>idle|busy|load not noted); (?P<versions>[^;*]+); (?P<command>[^*]+)\.\*$"
)
"""The line above a table: ``*On MACHINE; idle; VERSIONS; COMMAND.*``."""
IDLE_LOAD = 0.3
"""Processes that ran or waited, on the average of a minute, below which a machine counts as idle."""


@dataclass(frozen=True)
class Table:
    """One table of the page: its heading, the line that says where it comes from, and its own lines."""

    heading: str
    provenance: str
    text: str


class NotHere(Exception):
    """Why a table cannot be measured on this machine now."""


@dataclass(frozen=True)
class Bench:
    """What measures: a folder of its own, the pictures that are there, when time is up, and what was made already."""

    out: Path
    data: Path | None
    ends: float
    made: set[Path] = field(default_factory=set)

    def run(self, *words: str | Path) -> str:
        """Run a command and give what it printed; raises NotHere when it fails or time is up."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise NotHere("time was up")
        command = [str(word) for word in words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False, cwd=ROOT)
        except subprocess.TimeoutExpired:
            raise NotHere("time was up in the middle of it") from None
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise NotHere(f"`{' '.join(Path(word).name for word in command[:4])}` ended with {done.returncode}: {last}")
        return done.stdout


def tables(page: str) -> Iterator[Table]:
    """Find the tables of a page, each with the last line of provenance above it in its section."""
    heading = provenance = ""
    rows: list[str] = []
    for line in [*page.splitlines(), ""]:
        if line.startswith("|"):
            rows.append(line)
            continue
        if rows:
            yield Table(heading, provenance, "\n".join(rows))
            rows = []
        if line.startswith("#"):
            heading, provenance = line.lstrip("# "), ""
        elif PROVENANCE.match(line):
            provenance = line


def measure_demo(bench: Bench) -> str:
    """Walk the demo's path and give the table of its report."""
    bench.run(sys.executable, "-m", "edgeseg", "demo", "--out", bench.out / "demo")
    found = json.loads((bench.out / "demo" / "report.json").read_text())
    return _two_columns(
        ("fp32", "INT8"),
        [
            ("mIoU", [f"{found[p]['mean_iou']:.4f}" for p in ("fp32", "int8")]),
            ("latency p50 / p95, ms", [_latency(found[p]) for p in ("fp32", "int8")]),
            ("bare engine, frames a second", [f"{found[p]['fps']:.0f}" for p in ("fp32", "int8")]),
        ],
    )


def measure_flagship(bench: Bench) -> str:
    """Export the flagship, as INT8 too, and score both on CamVid's validation pictures."""
    if bench.data is None:
        raise NotHere("its pictures are not here; name their folder with --data")
    scores = [_score(bench, path) if path.is_dir() else None for path in _export_flagship(bench).values()]
    rows = [(name, [f"{one[key]:.3f}" if one else "refused" for one in scores]) for name, key in _SCORES]
    for name in scores[0]["iou"] if scores[0] else ():
        rows.append((f"IoU of {name}", [f"{one['iou'][name]:.3f}" if one else "" for one in scores]))
    return _two_columns(("OpenVINO fp32", "OpenVINO INT8"), rows)


def measure_unseen(bench: Bench) -> str:
    """Score the flagship, as INT8 too, on CamVid's test pictures, which trained, chose and calibrated nothing."""
    if bench.data is None or not (bench.data / "images" / "test").is_dir():
        raise NotHere("CamVid's 233 test pictures are not here; give --data a folder with a `test` split")
    scores = [_score(bench, path, "test") if path.is_dir() else None for path in _export_flagship(bench).values()]
    rows = [("pictures", [f"{one['images']}" if one else "" for one in scores])]
    rows += [(name, [f"{one[key]:.3f}" if one else "refused" for one in scores]) for name, key in _SCORES]
    return _two_columns(("OpenVINO fp32", "OpenVINO INT8"), rows)


def _export_flagship(bench: Bench) -> dict[str, Path]:
    """Make both artifacts, once for all that is measured of them."""
    edgeseg, out = (sys.executable, "-m", "edgeseg"), bench.out / "flagship"
    artifacts = {one: out / f"lite-unet-{one}-openvino" for one in ("fp32", "int8")}
    if out in bench.made:
        return artifacts
    net = ROOT / "examples" / "camvid" / "lite-unet.pt"
    shutil.rmtree(out, ignore_errors=True)  # what an earlier call left is not of this one
    try:
        bench.run(*edgeseg, "export", net, "--int8", "--data", bench.data, "--max-drop", "0.5", "--out", out)
    except NotHere:  # INT8 may be refused; then the float artifact is there
        if not artifacts["fp32"].is_dir():
            raise
    bench.made.add(out)
    return artifacts


def _score(bench: Bench, artifact: Path, split: str = "val") -> Any:
    words = ("evaluate", artifact, "--data", str(bench.data), "--split", split, "--json")
    return json.loads(bench.run(sys.executable, "-m", "edgeseg", *words))


def measure_training_step(bench: Bench) -> str:
    """Time a step of training as the page says."""
    os.environ["OMP_WAIT_POLICY"] = "passive"
    said = bench.run(sys.executable, ROOT / "benchmarks" / "training_step.py", "--steps", "30")
    return f"```\n{said.strip()}\n```"


VERSIONS = ("python", "torch", "openvino", "onnxruntime", "nncf")
_SCORES = (("mIoU", "mean_iou"), ("mean boundary IoU", "mean_boundary_iou"))
MEASURED: dict[str, Callable[[Bench], str]] = {
    "The demo's cells": measure_demo,
    "A step of training": measure_training_step,
    "The flagship: lite-unet on CamVid": measure_flagship,
    "The flagship on pictures that chose nothing": measure_unseen,
}
"""What is measured again, by its heading: the quickest first, each once, for the first table below the heading."""


def _latency(figures: dict[str, Any]) -> str:
    return f"{figures['latency_p50_ms']:.1f} / {figures['latency_p95_ms']:.1f}"


def _two_columns(names: tuple[str, str], rows: list[tuple[str, list[str]]]) -> str:
    lines = [f"| | {names[0]} | {names[1]} |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {values[0]} | {values[1]} |" for name, values in rows)])


def describe_machine(load_before: float, command: str) -> str:
    """Word where a table was measured, as the page does."""
    cpu, versions = this_cpu(), toolchain()
    load = max(load_before, os.getloadavg()[0] - 1)  # what is measured is one process itself
    kept = ", ".join(f"{name} {versions[name]}" for name in VERSIONS if name in versions)
    kinds = ", ".join(cpu.isa or ("instruction sets unknown",))
    return f"*On {cpu.name} ({cpu.cores} cores, {kinds}); {'idle' if load < IDLE_LOAD else 'busy'}; {kept}; {command}.*"


def measure_all(bench: Bench, only: str) -> dict[str, str]:
    """Measure what can be; gives a text by heading: the table with its line, or why there is none."""
    found = {}
    for heading, measure in MEASURED.items():
        if only.lower() not in heading.lower():
            continue
        load = os.getloadavg()[0]
        try:
            if bench.ends <= time.monotonic():
                raise NotHere("time was up")
            table = measure(bench)
            found[heading] = f"{describe_machine(load, '`make results`')}\n\n{table}"
        except NotHere as reason:
            found[heading] = f"Not measured here: {reason}."
    return found


def main() -> int:
    """Print every table, measured ones with their counterpart; returns the exit code."""
    args = _read_arguments()
    data = args.data if args.data is not None and (args.data / "images").is_dir() else None
    found = measure_all(Bench(args.out, data, time.monotonic() + 60 * args.minutes), args.only)
    heading = ""
    for table in tables(PAGE.read_text(encoding="utf-8")):
        if not table.provenance:
            continue
        if table.heading != heading:
            heading = table.heading
            print(f"\n## {heading}")
            if heading in found:
                print(f"\n{found.pop(heading)}")
        print(f"\nAs of another machine, from docs/results.md:\n\n{table.provenance}\n\n{table.text}")
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Path(os.environ.get("EDGESEG_DATA", ROOT.parent / "shared" / "data")) / "camvid"
    parser.add_argument("--minutes", type=float, default=15, help="nothing goes on for longer (default: 15)")
    parser.add_argument("--data", type=Path, default=usual, metavar="CAMVID", help=f"CamVid (default: {usual})")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "results", metavar="DIR", help="files on the way")
    parser.add_argument("--only", default="", metavar="WORD", help="measure only what has this in its heading")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
