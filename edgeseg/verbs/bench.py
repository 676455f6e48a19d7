"""``edgeseg bench``: the bare engine's latency, throughput and CPU cost."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.quantities import number_above
from edgeseg.console.terminal import say_lines
from edgeseg.console.wording import reword, reword_values
from edgeseg.verbs.flags.engine import add_device_arguments, add_slots_argument
from edgeseg.verbs.flags.on import add_on_arguments

if TYPE_CHECKING:
    from edgeseg.runtime.measure.bench import BenchResult

EXAMPLES = (
    "edgeseg bench ARTIFACT --seconds 10",
    "edgeseg bench best-int8-openvino --against best-fp32-openvino",
    "edgeseg bench best-int8-openvino --on pi@camera-3",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg bench``."""
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="artifact directory made by edgeseg export")
    group = parser.add_argument_group("measurement")
    add_slots_argument(group, "requests in flight for throughput")
    group.add_argument("--seconds", type=number_above(0, 86400), default=5.0, metavar="S", help="how long to measure")
    group.add_argument(
        "--against", type=Path, metavar="ARTIFACT", help="time both in turns and say whether this one is faster"
    )
    add_device_arguments(group)
    add_on_arguments(parser)
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure one artifact, or two in turns, and print what was found; returns the exit code."""
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.engines.engine import EngineOptions
    from edgeseg.runtime.tuning.bench import bench_tuned

    if args.on is not None:
        from edgeseg.verbs.flags.on import bench_on

        return bench_on(args)
    if args.against is not None:
        return _against(args)
    options = EngineOptions(args.device, precision=args.precision, threads=args.threads)
    result = bench_tuned(Artifact.open(args.artifact), args.seconds, args.slots, options)
    say_lines(json.dumps(result.to_dict(), indent=2) if args.json else _text(result))
    return 0


def _against(args: argparse.Namespace) -> int:
    from edgeseg.artifact import Artifact
    from edgeseg.proof.speed import compare_speed

    speed = compare_speed(Artifact.open(args.against), Artifact.open(args.artifact), args.seconds, args.device)
    say_lines(json.dumps(reword_values(speed.to_dict()), indent=2) if args.json else reword(speed.text()))
    return 0


def _text(result: BenchResult) -> str:
    latency = result.latency
    settled = "settled" if result.settled else "not settled"
    return "\n".join(
        [
            f"{result.artifact} in {result.precision} on {result.device}, {result.cpu}, {result.cores} cores",
            f"latency     p50 {latency.p50_ms:.2f}  p90 {latency.p90_ms:.2f}  p95 {latency.p95_ms:.2f}  "
            f"p99 {latency.p99_ms:.2f}  min {latency.min_ms:.2f}  max {latency.max_ms:.2f} ms  "
            f"({latency.runs} runs, {settled} after {result.warm_up_runs})",
            f"throughput  {result.throughput_fps:.1f} frames/s with {result.plan}",
            f"CPU cost    {result.core_ms:.2f} core-ms a frame",
            f"energy      {_energy(result)}",
            f"noise       {result.noise_statement}",
        ]
    )


def _energy(result: BenchResult) -> str:
    figure = "" if result.joules is None else f"{1e3 * result.joules:.1f} mJ a frame; "
    return figure + result.energy_statement
