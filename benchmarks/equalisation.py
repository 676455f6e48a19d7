"""What evening out channels, correcting biases and rounding weights together do to INT8, in each encoding.

    edgeseg export examples/camvid/lite-unet.pt --format openvino --data CAMVID --out runs
    python benchmarks/equalisation.py runs/lite-unet-fp32-openvino runs/lite-unet-fp32-onnx --data CAMVID

Calibration takes -n images of the split train of --calib-data (default: --data), all drops are measured on --data,
from image file to mask in the engine that the file is for (TensorRT files in their stand-in). No layer is in float
but those that an encoding leaves there by itself, and nothing is chosen by what is measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.quantizer import Quantizer, quantizer_for
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.search.method_choice import method_trials
from edgeseg.console.text_table import format_table
from edgeseg.formats import ONNX, OPENVINO
from edgeseg.proof.compare import Comparison
from edgeseg.proof.judges.worst_class import worst_class
from edgeseg.proof.samples import samples_from
from edgeseg.runtime.system.machine import this_cpu

RECIPES = (
    Recipe(),
    Recipe(round_weights=False),
    Recipe(correct_bias=False),
    Recipe(equalize=False, correct_bias=False),
)
FORMATS = {"openvino": ("openvino",), "onnx": ("onnx", "tensorrt")}


def main() -> int:
    args = _arguments()
    rows = [
        [
            "encoding",
            "channels evened out",
            "biases corrected",
            "weights rounded together",
            "points of mIoU",
            "worst class",
            "boundary IoU",
            "pixels changed",
        ]
    ]
    for parent in map(Artifact.open, args.artifacts):
        for model_format in FORMATS[parent.format]:
            for row in _rows(parent, quantizer_for(model_format), args):
                print(*row, sep=" | ", file=sys.stderr, flush=True)
                rows.append(row)
    print(f"{this_cpu().name}\n{format_table(rows)}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", type=Path, nargs="+", help="fp32 artifacts")
    parser.add_argument("--data", type=Path, required=True, help="data folder with masks that judges")
    parser.add_argument("--calib-data", type=Path, help="data folder whose train pictures calibrate (default: --data)")
    parser.add_argument("--ignore-index", type=int)
    parser.add_argument("-n", type=int, default=100, help="calibration images (default: 100)")
    return parser.parse_args()


def _rows(parent: Artifact, quantizer: Quantizer, args: argparse.Namespace) -> Iterator[list[str]]:
    images = load_set(args.calib_data or args.data, parent.spec, args.n, split="train")
    samples = samples_from(args.data, parent.spec, "val", args.ignore_index)
    with method_trials(quantizer, parent, images, samples) as try_recipe:
        for recipe in RECIPES:
            if quantizer.format == OPENVINO.name and recipe.equalize != recipe.correct_bias:
                continue  # NNCF corrects biases in its own way
            if quantizer.format != ONNX.name and not recipe.round_weights:
                continue  # the others take the nearest code whatever the recipe says
            together = quantizer.format == ONNX.name and recipe.round_weights and recipe.correct_bias
            said = ["yes" if one else "no" for one in (recipe.equalize, recipe.correct_bias, together)]
            yield [quantizer.format, *said, *_figures(try_recipe(recipe))]


def _figures(comparison: Comparison) -> list[str]:
    stage = comparison.stages[-1]
    name, points = worst_class(comparison, stage)
    return [
        f"{comparison.drop(stage):+.2f}",
        f"{name} {points:+.2f}",
        f"{comparison.boundary_drop(stage):+.2f}",
        f"{100 * (1 - stage.agreement):.2f} %",
    ]


if __name__ == "__main__":
    sys.exit(main())
