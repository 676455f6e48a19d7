"""``edgeseg evaluate``: score an artifact on labelled images."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.progress import show_progress
from edgeseg.console.terminal import say_lines, visible
from edgeseg.console.text_table import format_table
from edgeseg.console.wording import reword
from edgeseg.files.atomic import check_writable
from edgeseg.verbs.flags.engine import add_device_arguments
from edgeseg.verbs.flags.masks import add_mask_arguments
from edgeseg.verbs.flags.threshold import read_threshold
from edgeseg.verbs.flags.tile import add_tile_arguments, read_tile_flags

if TYPE_CHECKING:
    from edgeseg.runtime.measure.evaluate import Evaluation

SIZES_ASIDE = "(number of objects: connected areas of one class in the masks; each is scored alone, sizes in pixels)"

EXAMPLES = (
    "edgeseg evaluate ARTIFACT --data DIR",
    "edgeseg evaluate ARTIFACT --data DIR --split test --out results",
    "edgeseg evaluate ARTIFACT --data DIR --tile",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg evaluate``."""
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="artifact directory made by edgeseg export")
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, required=True, metavar="DIR", help="data folder or data.yaml")
    data.add_argument("--split", default="val", help="which split")
    add_mask_arguments(data)
    add_tile_arguments(parser.add_argument_group("images of any size"))
    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--conf",
        type=read_threshold,
        metavar="T",
        help="confidence threshold in 0..1, or one a class, sky=0.7,road=0.4 (default: the model's)",
    )
    add_device_arguments(engine)
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, metavar="DIR", help="write results.json and its pictures there")
    output.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Score an artifact and print the scores; returns the exit code."""
    from edgeseg.api.evaluate import evaluate
    from edgeseg.artifact import Artifact, artifact_folder
    from edgeseg.files.output_paths import check_apart, picture_folders
    from edgeseg.runtime.events.event import event_to_stderr
    from edgeseg.runtime.measure.results import RESULTS, describe_evaluation, write_evaluation

    written = [args.out / name for name in RESULTS] if args.out else []
    if args.out:
        check_writable(args.out)
        check_apart(written, [artifact_folder(args.artifact), *picture_folders(args.data)])
    artifact = Artifact.open(args.artifact)
    with show_progress() as progress:
        evaluation = evaluate(
            artifact,
            args.data,
            split=args.split,
            threshold=args.conf,
            device=args.device,
            precision=args.precision,
            ignore_index=args.ignore_index,
            on_event=event_to_stderr,
            mask_values=args.mask_values,
            tile=read_tile_flags(args.tile, args.tile_edges) or False,
            progress=progress,
        )
    result = describe_evaluation(evaluation, artifact, args.conf)
    if args.out:
        write_evaluation(args.out, result, evaluation, artifact.spec)
    say_lines(json.dumps(result, indent=2) if args.json else _text(result, evaluation, written))
    return 0


def _text(result: dict[str, Any], evaluation: Evaluation, written: Sequence[Path]) -> str:
    head = f"{result['artifact']} on {result['images']} images of {result['data']}, split {result['split']}"
    lines = [visible(head), ""]
    scores = ("iou", "boundary_iou", "dice")
    rows = [[name, *(_score(result[score][name]) for score in scores)] for name in result["iou"]]
    mean = ["mean", *(_score(result[f"mean_{score}"]) for score in scores)]
    lines.append(format_table([["class", "IoU", "boundary IoU", "Dice"], *rows, mean]))
    lines += ["", f"pixel accuracy {result['pixel_accuracy']:.4f}"]
    if evaluation.tiles is not None:
        lines += ["", str(evaluation.tiles)]
    if evaluation.sizes is not None:
        lines += ["", evaluation.sizes.table(), SIZES_ASIDE]
    lines += [visible(f"note: {reword(sentence)}") for sentence in evaluation.notes]
    lines += [visible(f"skipped: {sentence}") for sentence in result["skipped"]]
    if written:
        lines.append(visible(f"written: {', '.join(map(str, written))}"))
    return "\n".join(lines)


def _score(value: float | None) -> str:
    return "absent" if value is None else f"{value:6.4f}"
