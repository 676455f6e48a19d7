"""How well INT8 keeps the person masks of SINet, somebody else's ONNX file: plain, and with layers in float.

    python benchmarks/sinet.py sinet_320.onnx --data person_voc [--json FILE]

SINet is the 0.1 M weight portrait network of github.com/clovaai/ext_portrait_segmentation. Some images of --data
calibrate, at most 100 others are compared; IoU is that of the person masks of INT8 against those of fp32, both in
OpenVINO. The search is the product's: --max-drop is the percentage of pixels whose label may change.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.console.progress import bar_on_tty
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import Samples, samples_from

# The authors normalise (x - mean) / std on 0..255 and then divide by 255 once more.
AUTHORS = edgeseg.ModelSpec(
    "multiclass",
    ("background", "person"),
    height=320,
    width=320,
    color_order="bgr",
    mean=(102.890434 / 255, 111.25247 / 255, 126.91212 / 255),
    std=(62.93292, 62.82138, 66.355705),
)
ANYTHING = Budget(100, 100, 100, search=False, max_class_change=100)


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        place = OutputOptions(Path(scratch), "sinet", bar_on_tty)
        parent = edgeseg.export_model(args.onnx, spec=AUTHORS, out=scratch, name=place.name)
        folder = args.data / "images" / "train"
        images = load_set(folder, parent.spec, args.n)
        samples = samples_from(folder, parent.spec, calibrated=images.images).spread(args.images)
        found = []
        for name, budget in (
            ("plain", ANYTHING),
            (f"--max-drop {args.max_drop:g}", Budget(args.max_drop, max_class_change=100)),
        ):
            found.append(_report(name, parent, images, samples, place, budget, args.method))
        if args.json:
            args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx", type=Path, help="sinet_320.onnx")
    parser.add_argument("--data", type=Path, required=True, help="data folder with images of people in split train")
    parser.add_argument("-n", type=int, default=60, help="calibration images (default: 60)")
    parser.add_argument("--images", type=int, default=100, help="images that are compared (default: 100)")
    parser.add_argument("--method", default="minmax")
    parser.add_argument("--max-drop", type=float, default=0.9, help="percent of the pixels (default: 0.9)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    return parser.parse_args()


def _report(
    name: str,
    parent: Artifact,
    images: CalibrationSet,
    samples: Samples,
    place: OutputOptions,
    budget: Budget,
    method: str,
) -> dict[str, Any]:
    start = time.process_time()
    built = int8_artifact(parent, images, place, samples, budget, recipe=Recipe(method))
    stage, seconds = built.comparison.stages[-1], time.process_time() - start
    ladder = built.search and built.search.ladder
    kept = len(ladder.chosen or ()) if ladder else 0
    in_float = f"{kept} of {ladder.layers}" if ladder else "no"
    print(
        f"{name}: person IoU {stage.confusion.iou[1]:.4f}, {100 * (1 - stage.agreement):.2f} % of the pixels changed, "
        f"{in_float} layers in float, {built.artifact.size_bytes / 1e3:.0f} kB, {seconds:.0f} CPU s",
        flush=True,
    )
    if ladder:
        print(ladder.text())
    layers = ladder.layers if ladder else None
    return {"name": name, "person_iou": stage.confusion.iou[1], "layers_in_float": kept, "layers": layers}


if __name__ == "__main__":
    main()
