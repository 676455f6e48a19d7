"""``edgeseg evaluate``: score an artifact on labelled images."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.quantities import number, whole
from edgeseg.console.terminal import say_lines, visible
from edgeseg.console.text_table import format_table
from edgeseg.files.atomic import atomic_file, check_writable

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.dataset import Dataset
    from edgeseg.image import UInt8
    from edgeseg.runtime.measure.evaluate import Evaluation
    from edgeseg.spec import Color

SIZES_ASIDE = "(number of objects: connected areas of one class in the masks; each is scored alone, sizes in pixels)"
WRITTEN = ("results.json", "confusion.png", "sizes.png")

EXAMPLES = (
    "edgeseg evaluate ARTIFACT --data DIR",
    "edgeseg evaluate ARTIFACT --data DIR --split test --out results",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="artifact directory made by edgeseg export")
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, required=True, metavar="DIR", help="data folder or data.yaml")
    data.add_argument("--split", default="val", help="which split")
    data.add_argument(
        "--ignore-index", type=whole(0, 255), metavar="N", help="mask value that means void (default: the model's)"
    )
    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--conf", type=number(0), metavar="T", help="confidence threshold in 0..1 (default: the model's)"
    )
    engine.add_argument("--device", default="CPU", help="engine's name of a device")
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, metavar="DIR", help="write results.json and its pictures there")
    output.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    from edgeseg.artifact import Artifact, artifact_folder
    from edgeseg.files.output_paths import check_apart, picture_folders
    from edgeseg.runtime.engines.predictor import open_predictor
    from edgeseg.runtime.measure.evaluate import open_dataset

    if args.out:
        check_writable(args.out)
        inputs = [artifact_folder(args.artifact), *picture_folders(args.data)]
        check_apart([args.out / name for name in WRITTEN], inputs)
    artifact = Artifact.open(args.artifact)
    dataset = open_dataset(args.data, artifact, args.ignore_index)
    with open_predictor(artifact, args.conf, args.device) as predict:
        evaluation = _evaluate(predict, dataset, args.split)
    result = _result(args, artifact, dataset, evaluation)
    if args.out:
        _write(args.out, result, evaluation, artifact.spec.palette)
    say_lines(json.dumps(result, indent=2) if args.json else _text(result, evaluation, args.out))
    return 0


def _evaluate(predict: Any, dataset: Dataset, split: str) -> Evaluation:
    from tqdm import tqdm

    from edgeseg.runtime.measure.evaluate import evaluate

    total = len(dataset.pairs(split))
    with tqdm(desc="evaluate", total=total, leave=False, disable=not sys.stderr.isatty()) as bar:
        return evaluate(predict, dataset, split, by_size=True, progress=bar.update)


def _result(args: argparse.Namespace, artifact: Artifact, dataset: Dataset, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "artifact": artifact.path.name,
        "model_digest": artifact.files[artifact.model_path.name],
        "data": str(dataset.root),
        "split": args.split,
        "ignore_index": dataset.ignore_index,
        "threshold": args.conf or artifact.spec.threshold,
        **evaluation.to_dict(),
    }


def _write(out: Path, result: dict[str, Any], evaluation: Evaluation, palette: Sequence[Color]) -> None:
    from edgeseg.metrics.size_picture import size_picture
    from edgeseg.runtime.measure.confusion_picture import confusion_picture

    title = f"{result['artifact']}  {result['split']}  mIoU {evaluation.confusion.mean_iou:.3f}"
    _write_png(out / "confusion.png", confusion_picture(evaluation.confusion, evaluation.classes, title))
    if evaluation.sizes is not None:
        _write_png(out / "sizes.png", size_picture(evaluation.sizes, f"{title}  IoU by object area in pixels", palette))
    with atomic_file(out / "results.json") as staged:
        staged.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _write_png(path: Path, picture: UInt8) -> None:
    import cv2

    _, png = cv2.imencode(".png", picture)
    with atomic_file(path) as staged:
        staged.write_bytes(png.tobytes())


def _text(result: dict[str, Any], evaluation: Evaluation, out: Path | None) -> str:
    head = f"{result['artifact']} on {result['images']} images of {result['data']}, split {result['split']}"
    lines = [visible(head), ""]
    scores = ("iou", "boundary_iou", "dice")
    rows = [[name, *(_score(result[score][name]) for score in scores)] for name in result["iou"]]
    mean = ["mean", *(_score(result[f"mean_{score}"]) for score in scores)]
    lines.append(format_table([["class", "IoU", "boundary IoU", "Dice"], *rows, mean]))
    lines += ["", f"pixel accuracy {result['pixel_accuracy']:.4f}"]
    if evaluation.sizes is not None:
        lines += ["", evaluation.sizes.table(), SIZES_ASIDE]
    lines += [visible(f"skipped: {sentence}") for sentence in result["skipped"]]
    if out:
        lines.append(visible(f"written: {', '.join(str(out / name) for name in WRITTEN)}"))
    return "\n".join(lines)


def _score(value: float | None) -> str:
    return "absent" if value is None else f"{value:6.4f}"
