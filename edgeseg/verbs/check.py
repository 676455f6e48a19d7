"""``edgeseg check``: prove that an artifact still does here what it did when it was made."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edgeseg.console.progress import show_progress
from edgeseg.console.quantities import number, number_above
from edgeseg.console.terminal import complain, say, say_lines
from edgeseg.errors import GateFailed
from edgeseg.verbs.flags.budget import RECORDED, add_budget_arguments, read_limits
from edgeseg.verbs.flags.engine import add_device_arguments
from edgeseg.verbs.flags.masks import add_mask_arguments

EXAMPLES = (
    "edgeseg check ARTIFACT --data DIR --max-drop 0.5",
    "edgeseg check ARTIFACT --data DIR --max-class-drop 1 --require-held",
    "edgeseg check ARTIFACT --save-baseline latency.json",
    "edgeseg check ARTIFACT --baseline latency.json --max-slowdown 0.2",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg check``."""
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="artifact directory made by edgeseg export")
    accuracy = parser.add_argument_group("accuracy gate")
    accuracy.add_argument("--data", type=Path, metavar="DIR", help="what it was verified on: measure its masks again")
    add_mask_arguments(accuracy)
    add_budget_arguments(accuracy, RECORDED, RECORDED)
    accuracy.add_argument(
        "--reference", type=Path, metavar="ARTIFACT", help="float artifact to measure beside it (default: its record)"
    )
    latency = parser.add_argument_group("latency gates")
    latency.add_argument("--max-latency-ms", type=number_above(0), metavar="MS", help="largest median latency")
    latency.add_argument("--baseline", type=Path, metavar="FILE", help="compare latency with this saved ratio")
    latency.add_argument("--save-baseline", type=Path, metavar="FILE", help="save the latency ratio of this machine")
    latency.add_argument(
        "--max-slowdown", type=number(0, 1000), default=0.15, metavar="S", help="share of --baseline's ratio"
    )
    add_device_arguments(parser.add_argument_group("engine"))
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a gate fails; every gate is measured first."""
    from edgeseg.api.check import check
    from edgeseg.proof.judgement import judgement_table
    from edgeseg.runtime.events.event import event_to_stderr

    with show_progress() as progress:
        checked = check(
            args.artifact,
            data=args.data,
            ignore_index=args.ignore_index,
            mask_values=args.mask_values,
            limits=read_limits(args),
            require_held=args.require_held,
            reference=args.reference,
            max_latency_ms=args.max_latency_ms,
            baseline=args.baseline,
            max_slowdown=args.max_slowdown,
            save_baseline=args.save_baseline,
            device=args.device,
            precision=args.precision,
            on_event=event_to_stderr,
            progress=progress,
        )
    if checked.saved_ratio is not None:
        complain(f"saved   {args.save_baseline}: {checked.saved_ratio:.2f} reference workloads a run")
    if args.json:
        say_lines(json.dumps(checked.to_dict(), indent=2))
    else:
        name = checked.artifact.path.name
        say(f"passed  {name}: digests hold, it runs on {args.device}, {checked.labels} labels on test pictures")
        for gate in checked.gates:
            say(f"{'passed' if gate.passed else 'FAILED'}  {gate}")
        if checked.judgements:
            verdict = "FAILED" if checked.missed else "passed"
            say_lines(f"{verdict}  its budget, against its reference:\n{judgement_table(checked.judgements)}")
    if checked.failed:
        sentences = [str(gate) for gate in checked.gates if not gate.passed]
        count = len(checked.gates) + len(checked.judgements)
        said = " ".join([f"{len(checked.failed)} of {count} gates failed.", *sentences, checked.misses])
        raise GateFailed(said.rstrip())
    return 0
