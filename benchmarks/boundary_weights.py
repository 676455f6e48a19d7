"""Do U-Net's boundary weights keep touching cells apart? Counted, on rendered cells.

    python benchmarks/boundary_weights.py [--train 120 --val 40 --size 128 --epochs 20 --seeds 0 1]
    python benchmarks/boundary_weights.py --picture docs/pictures/boundary_weights.png
    python benchmarks/boundary_weights.py --count ARTIFACT ARTIFACT --data DIR --object cell

The scenes of `edgeseg.demo.cells` become a binary task as the U-Net paper drew its data: every cell is
foreground out to its outline, and where two cells touch one pixel of background lies between
them. The same small U-Net is trained twice on them, from the same seed and on the same crops:
without and with `--boundary-weights W0 SIGMA`. Then whole objects are counted on the validation scenes:

    separate   a true cell that has more than half of its pixels in one predicted region,
               and no other cell has
    merged     it shares that region with another cell
    missed     no region holds more than half of it

With --count the same is counted for trained artifacts, on the val split of any data folder.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset
from edgeseg.demo import cells
from edgeseg.image import UInt8
from edgeseg.metrics.confusion import Confusion
from edgeseg.runtime.engines.predictor import open_predictor
from edgeseg.spec import ModelSpec
from edgeseg.training.data.boundary_weights import BoundaryWeights, instances

Counts = dict[str, float]
FIRST_VAL = 500_000
COUNTED = ("objects", "separate", "merged", "missed", "regions")


def main() -> int:
    args = _arguments()
    weights = BoundaryWeights(*args.weights, (1,))
    if args.picture:
        args.picture.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(args.picture), picture(weights, args.size), (cv2.IMWRITE_PNG_COMPRESSION, 9))
        return 0
    if args.count:
        _print_counts(args.count, Dataset.open(args.data), args.object)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        data = _dataset(Path(scratch, "data"), args)
        rows = [_run(data, Path(scratch), args, seed, chosen) for seed in args.seeds for chosen in (None, weights)]
    _print(rows)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("train", 120), ("val", 40), ("size", 128), ("epochs", 20), ("batch", 8)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--weights", type=float, nargs=2, default=(10.0, 3.0), metavar=("W0", "SIGMA"))
    parser.add_argument("--picture", type=Path, help="only draw image, mask and weights there")
    parser.add_argument("--count", type=Path, nargs="+", metavar="ARTIFACT", help="only count the objects of artifacts")
    parser.add_argument("--data", type=Path, help="with --count: the data folder")
    parser.add_argument("--object", default="cell", help="with --count: the class whose regions are objects")
    return parser.parse_args()


def drawn_apart(labels: UInt8) -> UInt8:
    """HW 0/1: cells out to their outlines, one pixel of background between cells that touch."""
    numbered = instances(labels, (cells.CELL,))
    inside = (labels != cells.CELL).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(inside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(int(nearest.max()) + 1, np.int32)
    owner[nearest[numbered > 0]] = numbered[numbered > 0]
    grown = np.where(labels != cells.BACKGROUND, owner[nearest], 0).astype(np.float32)
    neighbour = cv2.dilate(grown, np.ones((3, 3), np.uint8))
    return ((grown > 0) & (neighbour == grown)).astype(np.uint8)


def objects(predicted: UInt8, truth: UInt8) -> Counts:
    """How many true objects are separate, merged and missed; how many regions were predicted."""
    true, found = instances(truth, (1,)), instances(predicted, (1,))
    size = (int(true.max()) + 1, int(found.max()) + 1)
    shared = np.bincount(true.ravel() * size[1] + found.ravel(), minlength=size[0] * size[1]).reshape(size)
    holds = shared[1:, 1:] > 0.5 * shared[1:].sum(1, keepdims=True)
    alone = holds & (holds.sum(0) == 1)
    separate, held = int(alone.any(1).sum()), int(holds.any(1).sum())
    return {
        "objects": size[0] - 1,
        "regions": size[1] - 1,
        "separate": separate,
        "merged": held - separate,
        "missed": size[0] - 1 - held,
    }


def _dataset(root: Path, args: argparse.Namespace) -> Dataset:
    for split, count, first in (("train", args.train, 0), ("val", args.val, FIRST_VAL)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            image, labels = cells.render_scene(1_000_003 + first + number, number % 5, args.size, args.size)
            cv2.imwrite(str(root / "images" / split / f"{number:05d}.png"), image)
            cv2.imwrite(str(root / "masks" / split / f"{number:05d}.png"), drawn_apart(labels))
    (root / "classes.txt").write_text("background\ncell\n")
    return Dataset.open(root)


def _run(data: Dataset, scratch: Path, args: argparse.Namespace, seed: int, weights: BoundaryWeights | None) -> Counts:
    from edgeseg.training.loop import Trainer
    from edgeseg.training.settings import TrainSettings

    settings = TrainSettings(
        out=scratch / f"{seed}-{weights is not None}",
        options={"width": 1.0},
        epochs=args.epochs,
        batch=args.batch,
        lr=4e-3,
        class_weights="none",
        boundary=weights,
        val_every=args.epochs,
        seed=seed,
    )
    trainer = Trainer(data, ModelSpec("binary", data.classes, args.size, args.size), settings)
    trainer.run()
    return {"seed": seed, "weighted": weights is not None, **_scored(trainer)}


def _scored(trainer: Any) -> Counts:
    confusion, total = Confusion(2), dict.fromkeys(COUNTED, 0.0)
    for index in range(len(trainer.validator.dataset)):
        truth = trainer.validator.dataset.raw(index)[1]
        predicted = trainer.validator.labels(trainer.learner.average, index)
        confusion.update(predicted, truth)
        for name, count in objects(predicted, truth).items():
            total[name] += count
    return {**total, "iou": float(confusion.iou[1])}


def _print(rows: list[Counts]) -> None:
    print("| seed | boundary weights | cells | separate | merged | missed | regions | cell IoU |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        counts = " | ".join(f"{row[name]:.0f}" for name in COUNTED)
        print(f"| {row['seed']:.0f} | {'yes' if row['weighted'] else 'no'} | {counts} | {row['iou']:.4f} |")


def _print_counts(artifacts: list[Path], data: Dataset, name: str) -> None:
    label = data.classes.index(name)
    print("| artifact | objects | separate | merged | missed | regions |")
    print("|---|---|---|---|---|---|")
    for path in artifacts:
        total = dict.fromkeys(COUNTED, 0.0)
        with open_predictor(Artifact.open(path)) as predict:
            for image, mask in map(data.read, data.pairs("val")):
                pair = ((labels == label).astype(np.uint8) for labels in (predict(image), mask))
                total = {counted: total[counted] + count for counted, count in objects(*pair).items()}
        print(f"| {path} | {' | '.join(f'{total[counted]:.0f}' for counted in COUNTED)} |")


def picture(weights: BoundaryWeights, size: int) -> UInt8:
    """A scene, its mask, and the weights of its gaps (dark 0, bright W0), three times enlarged."""
    image, labels = cells.render_scene(1_000_003, 0, size, size)
    mask = drawn_apart(labels)
    shades = np.clip(weights.map(mask) / weights.w0 * 255, 0, 255).astype(np.uint8)
    heat = cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO)
    panes = (image, cv2.cvtColor(mask * 200, cv2.COLOR_GRAY2BGR), heat)
    gap = np.full((size * 3, 8, 3), 255, np.uint8)
    large = [cv2.resize(pane, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST) for pane in panes]
    return np.hstack([large[0], gap, large[1], gap, large[2]])


if __name__ == "__main__":
    raise SystemExit(main())
