"""``edgeseg check``: prove that an artifact still does here what it did when it was made."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.quantities import number, number_above, whole
from edgeseg.console.terminal import complain, say, say_lines
from edgeseg.errors import GateFailed, UserError

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.measure.check import Gate

EXAMPLES = (
    "edgeseg check ARTIFACT --data DIR --max-drop 0.5",
    "edgeseg check ARTIFACT --save-baseline latency.json",
    "edgeseg check ARTIFACT --baseline latency.json --max-slowdown 0.2",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="artifact directory made by edgeseg export")
    accuracy = parser.add_argument_group("accuracy gate")
    accuracy.add_argument("--data", type=Path, metavar="DIR", help="the data it was verified on: measure mIoU again")
    accuracy.add_argument(
        "--ignore-index", type=whole(0, 255), metavar="N", help="mask value that means void (default: the model's)"
    )
    accuracy.add_argument(
        "--max-drop", type=number(0, 100), default=0.5, metavar="P", help="mIoU points that may be lost"
    )
    latency = parser.add_argument_group("latency gates")
    latency.add_argument("--max-latency-ms", type=number_above(0), metavar="MS", help="largest median latency")
    latency.add_argument("--baseline", type=Path, metavar="FILE", help="compare latency with this saved ratio")
    latency.add_argument("--save-baseline", type=Path, metavar="FILE", help="save the latency ratio of this machine")
    latency.add_argument(
        "--max-slowdown", type=number(0, 1000), default=0.15, metavar="S", help="share of --baseline's ratio"
    )
    parser.add_argument_group("engine").add_argument("--device", default="CPU", help="engine's name of a device")
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a gate fails; every gate is measured first."""
    from edgeseg.artifact import Artifact, artifact_folder
    from edgeseg.files.output_paths import check_apart, picture_folders
    from edgeseg.runtime.measure.check import check_runs

    if args.save_baseline:
        check_apart([args.save_baseline], [artifact_folder(args.artifact), *picture_folders(args.data)])
    artifact = Artifact.open(args.artifact)
    labels = check_runs(artifact, args.device)
    gates = list(_gates(args, artifact))
    if args.json:
        say_lines(json.dumps({"artifact": artifact.path.name, "gates": [gate.to_dict() for gate in gates]}, indent=2))
    else:
        say(f"passed  {artifact.path.name}: digests hold, it runs on {args.device}, {labels} labels on test pictures")
        for gate in gates:
            say(f"{'passed' if gate.passed else 'FAILED'}  {gate}")
    if failed := [str(gate) for gate in gates if not gate.passed]:
        raise GateFailed(f"{len(failed)} of {len(gates)} gates failed. {' '.join(failed)}")
    return 0


def _gates(args: argparse.Namespace, artifact: Artifact) -> Iterator[Gate]:
    if args.data:
        yield _iou(args, artifact)
    if args.max_latency_ms is not None:
        yield _latency_ms(args, artifact)
    if args.baseline or args.save_baseline:
        yield from _baseline(args, artifact)


def _iou(args: argparse.Namespace, artifact: Artifact) -> Gate:
    from tqdm import tqdm

    from edgeseg.runtime.measure.check import iou_gate
    from edgeseg.runtime.measure.evaluate import open_dataset

    dataset = open_dataset(args.data, artifact, args.ignore_index)
    with tqdm(desc="check", leave=False, disable=not sys.stderr.isatty()) as bar:
        return iou_gate(artifact, dataset, args.max_drop, device=args.device, progress=bar.update)


def _latency_ms(args: argparse.Namespace, artifact: Artifact) -> Gate:
    from edgeseg.runtime.measure.bench import bench_in_turns
    from edgeseg.runtime.measure.check import Gate

    latency = bench_in_turns([artifact], 2.0, args.device)[0]
    sentence = f"p95 was {latency.p95_ms:.2f} ms over {latency.runs} runs."
    return Gate("median latency in ms", args.max_latency_ms, latency.p50_ms, sentence)


def _baseline(args: argparse.Namespace, artifact: Artifact) -> Iterator[Gate]:
    from edgeseg.runtime.measure.check import latency_gate, read_baseline, save_baseline
    from edgeseg.runtime.measure.latency_gate import latency_ratio

    if args.device != "CPU":
        raise UserError(f"A baseline is a ratio to CPU work; found --device {args.device}. Use --max-latency-ms there.")
    if args.baseline:
        read_baseline(args.baseline, artifact)  # before the measurement, not after
    ratio = latency_ratio(artifact)
    if args.baseline:
        yield latency_gate(artifact, ratio, args.baseline, args.max_slowdown)
    if args.save_baseline:
        save_baseline(args.save_baseline, artifact, ratio)
        complain(f"saved   {args.save_baseline}: {ratio.ratio:.2f} reference workloads a run")
