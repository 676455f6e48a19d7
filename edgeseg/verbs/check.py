"""``edgeseg check``: prove that an artifact still does here what it did when it was made."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.progress import show_progress
from edgeseg.console.quantities import number, number_above
from edgeseg.console.terminal import complain, say, say_lines
from edgeseg.errors import GateFailed, NoVerdict, UserError
from edgeseg.verbs.flags.budget import RECORDED, add_budget_arguments, read_limits
from edgeseg.verbs.flags.engine import add_device_arguments
from edgeseg.verbs.flags.masks import add_mask_arguments
from edgeseg.verbs.flags.on import add_on_arguments

if TYPE_CHECKING:
    from edgeseg.api.check import Checked

EXAMPLES = (
    "edgeseg check ARTIFACT --data DIR --max-drop 0.5",
    "edgeseg check ARTIFACT --data DIR --max-class-drop 1 --require-held",
    "edgeseg check ARTIFACT --save-baseline latency.json",
    "edgeseg check ARTIFACT --baseline latency.json --max-slowdown 0.1",
    "edgeseg check ARTIFACT --baseline ARTIFACT_BEFORE",
    "edgeseg check ARTIFACT --data DIR --junit check.xml --github",
    "edgeseg check ARTIFACT --data DIR --history checks.sqlite --plot checks.svg",
    "edgeseg check ARTIFACT --data DIR --on pi@camera-3",
)


JUDGED = (0, GateFailed.exit_code, NoVerdict.exit_code)
"""Exit codes after which there is a verdict to draw."""
SAID = {"passed": "passed", "failed": "FAILED", "cannot tell": "UNSURE"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg check``."""
    parser.add_argument(
        "artifact", type=Path, nargs="?", metavar="ARTIFACT", help="artifact directory made by edgeseg export"
    )
    accuracy = parser.add_argument_group("accuracy gate")
    accuracy.add_argument("--data", type=Path, metavar="DIR", help="what it was verified on: measure its masks again")
    add_mask_arguments(accuracy)
    add_budget_arguments(accuracy, RECORDED, RECORDED)
    accuracy.add_argument(
        "--reference", type=Path, metavar="ARTIFACT", help="float artifact to measure beside it (default: its record)"
    )
    latency = parser.add_argument_group("latency gates")
    latency.add_argument("--max-latency-ms", type=number_above(0), metavar="MS", help="largest median latency")
    latency.add_argument(
        "--baseline",
        type=Path,
        metavar="BEFORE",
        help="compare latency with this artifact, timed in turns, or with this saved ratio",
    )
    latency.add_argument("--save-baseline", type=Path, metavar="FILE", help="save the latency ratio of this machine")
    latency.add_argument(
        "--max-slowdown", type=number(0, 1000), default=0.06, metavar="S", help="share by which it may be slower"
    )
    add_device_arguments(parser.add_argument_group("engine"))
    add_on_arguments(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    output.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    output.add_argument("--markdown", type=Path, metavar="FILE", help="write a table in Markdown")
    output.add_argument("--github", action="store_true", help="print annotations, write the summary of a GitHub job")
    output.add_argument("--history", type=Path, metavar="FILE", help="append a row to this SQLite or CSV file")
    output.add_argument("--commit", metavar="ID", help="what the row is of (default: what CI or git says)")
    output.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw --history, with what changed when")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a gate fails, 4 when the machine is too noisy to tell; every gate is measured first."""
    from edgeseg.ci.reports import Reports, write_reports
    from edgeseg.files.output_paths import check_apart

    reports = Reports(args.junit, args.markdown, args.github, args.history, args.commit, args.plot)
    if args.plot is not None and args.history is None:
        raise UserError("A plot is drawn of a history: give `history`, the file that checks append to.")
    if args.artifact is None:
        if args.plot is None:
            raise UserError("Give an artifact to check, or `history` and `plot` to draw earlier checks.")
        return _plot(args)
    check_apart(list(reports.files), [args.artifact, *([] if args.data is None else [args.data])])
    if args.on is not None:
        return _check_on(args)
    start = time.perf_counter()
    checked = _check(args)
    _print(args, checked)
    if lines := write_reports(reports, checked, time.perf_counter() - start):
        say_lines("\n".join(lines))
    if args.plot is not None:
        _plot(args)
    if checked.failed:
        sentences = [str(gate) for gate in checked.gates if gate.verdict == "failed"]
        count = len(checked.gates) + len(checked.judgements)
        said = " ".join([f"{len(checked.failed)} of {count} gates failed.", *sentences, checked.misses])
        raise GateFailed(said.rstrip())
    if checked.unsure:
        raise NoVerdict(" ".join(map(str, checked.unsure)))
    return 0


def _check_on(args: argparse.Namespace) -> int:
    from edgeseg.verbs.flags.on import check_on

    code = check_on(args)
    if args.plot is not None and code in JUDGED:
        _plot(args)
    return code


def _check(args: argparse.Namespace) -> Checked:
    from edgeseg.api.check import check
    from edgeseg.runtime.events.event import event_to_stderr

    with show_progress() as progress:
        return check(
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
            is_timed=args.history is not None,
            device=args.device,
            precision=args.precision,
            on_event=event_to_stderr,
            progress=progress,
        )


def _print(args: argparse.Namespace, checked: Checked) -> None:
    from edgeseg.proof.judgement import judgement_table

    if checked.saved_ratio is not None:
        complain(f"saved   {args.save_baseline}: {checked.saved_ratio:.2f} reference workloads a run")
    if args.json:
        say_lines(json.dumps(checked.to_dict(), indent=2))
        return
    name = checked.artifact.path.name
    say(f"passed  {name}: digests hold, it runs on {args.device}, {checked.labels} labels on test pictures")
    for gate in checked.gates:
        say(f"{SAID[gate.verdict]}  {gate}")
    if checked.judgements:
        verdict = "FAILED" if checked.missed else "passed"
        say_lines(f"{verdict}  its budget, against its reference:\n{judgement_table(checked.judgements)}")


def _plot(args: argparse.Namespace) -> int:
    from edgeseg.ci.reports import plot_history

    for sentence in plot_history(args.history, args.plot) or ["No figure changed."]:
        complain(sentence)
    complain(f"plot: {args.plot}")
    return 0
