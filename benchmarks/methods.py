"""Which method loses least, and what INT8 brings: every method of every encoding on one network and data set.

    edgeseg export runs/camvid/best.pt --format openvino --data DATA --out /tmp/camvid
    python benchmarks/methods.py /tmp/camvid/best-fp32-openvino /tmp/camvid/best-fp32-onnx --data DATA

Calibration takes -n images of the split train, all drops are measured on the split val from image file to
mask in the engine that the file is for (TensorRT files in their stand-in). Points are of mIoU; seconds are
CPU time of calibration and measurement on this machine.

    python benchmarks/methods.py --time ARTIFACT ARTIFACT ... [--seconds 60]

times artifacts in turns instead; the ratio is to the first of them, a median over the rounds with half of its
95 % interval. Close other programs first.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.quantizer import Quantizer, quantizer_for
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.search.method_choice import MethodTry, choose_method, method_trials
from edgeseg.console.text_table import format_table
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison
from edgeseg.proof.samples import samples_from
from edgeseg.proof.speed import median_and_noise
from edgeseg.runtime.measure.bench import rounds_in_turns, summarize_latency
from edgeseg.runtime.system.machine import this_cpu

FORMATS = {"openvino": ("openvino",), "onnx": ("onnx", "tensorrt")}


def main() -> int:
    args = _arguments()
    artifacts = [Artifact.open(path) for path in args.artifacts]
    print(_times(artifacts, args.seconds) if args.time else _methods(artifacts, args))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", type=Path, nargs="+", help="fp32 artifacts; any with --time")
    parser.add_argument("--data", type=Path, help="data folder with masks")
    parser.add_argument("--ignore-index", type=int)
    parser.add_argument("-n", type=int, default=100, help="calibration images (default: 100)")
    parser.add_argument("--images", type=int, default=1000, help="images of val at most (default: all)")
    parser.add_argument("--only", choices=sum(FORMATS.values(), ()), help="one encoding")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    return parser.parse_args()


def _methods(artifacts: list[Artifact], args: argparse.Namespace) -> str:
    rows = [["encoding", "method", "points", "worst class", "boundary IoU", "CPU s"]]
    for parent in artifacts:
        for model_format in FORMATS[parent.format]:
            if args.only in (None, model_format):
                rows += _rows(parent, quantizer_for(model_format), args)
    return format_table(rows)


def _rows(parent: Artifact, quantizer: Quantizer, args: argparse.Namespace) -> Iterator[list[str]]:
    images = load_set(args.data, parent.spec, args.n)
    samples = samples_from(args.data, parent.spec, None, args.ignore_index).spread(args.images)
    with method_trials(quantizer, parent, images, samples) as try_recipe:
        seconds: list[float] = []
        choice = choose_method(quantizer, _clocked(try_recipe, seconds), Budget())
    for tried, spent in zip(choice.tries, seconds, strict=True):
        yield [quantizer.format, *_row(tried), f"{spent:.0f}"]


def _clocked(try_recipe: Callable[[Recipe], Comparison], seconds: list[float]) -> Callable[[Recipe], Comparison]:
    def attempt(recipe: Recipe) -> Comparison:
        start = time.process_time()
        try:
            return try_recipe(recipe)
        finally:
            seconds.append(time.process_time() - start)
            print(f"{recipe.method}: {seconds[-1]:.0f} CPU s", file=sys.stderr, flush=True)

    return attempt


def _row(tried: MethodTry) -> list[str]:
    if tried.refused:
        return [tried.method, "refused", "", ""]
    values = (tried.drop, tried.class_drop, tried.boundary_drop)
    return [tried.method, *("-" if value is None else f"{value:+.2f}" for value in values)]


def _times(artifacts: list[Artifact], seconds: float) -> str:
    rounds = rounds_in_turns(artifacts, seconds)
    rows = [["artifact", "MB", "p50 ms", "p95 ms", "times as fast", "+-"]]
    for artifact, times in zip(artifacts, rounds.T, strict=True):
        latency = summarize_latency(times)
        ratio, noise = median_and_noise(rounds[:, 0] / times)
        figures = [f"{latency.p50_ms:.2f}", f"{latency.p95_ms:.2f}", f"{ratio:.2f}", f"{100 * noise:.1f} %"]
        rows.append([artifact.path.name, f"{artifact.size_bytes / 1e6:.2f}", *figures])
    return f"{this_cpu().name}, {len(rounds)} rounds\n{format_table(rows)}"


if __name__ == "__main__":
    sys.exit(main())
