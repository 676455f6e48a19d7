"""Score an artifact without edgeseg: IoU, boundary IoU and Dice, by numpy, OpenCV and the engine's own API.

Run it as::

    python examples/score_with_numpy.py runs/demo/cells-int8-openvino runs/demo/scenes val

The data folder holds ``images/SPLIT`` and ``masks/SPLIT``, a mask one class index a pixel. What is printed equals what
``edgeseg evaluate`` prints, to the last digit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def main(artifact: Path, data: Path, split: str = "val") -> None:
    spec = json.loads((artifact / "edgeseg.json").read_text())["spec"]
    if spec["task"] == "multilabel":
        sys.exit("A pixel of this network shows several classes, and its label is a set; that is not scored here.")
    scores = score(run(artifact, spec, data, split), len(spec["classes"]), spec["ignore_index"])
    print("class, IoU, boundary IoU, Dice")
    for name, column in zip([*spec["classes"], "mean"], [*scores.T, np.nanmean(scores, 1)], strict=True):
        print(name, *(f"{value:.4f}" for value in column))


def score(pairs: Iterable[tuple[Any, Any]], classes: int, ignored: int | None) -> Any:
    """Give IoU, boundary IoU and Dice, (3, classes), of pairs of predicted and true label maps."""
    sums = np.zeros((6, classes), np.int64)
    for predicted, truth in pairs:
        counted = np.ones(truth.shape, bool) if ignored is None else truth != ignored
        for k in range(classes):
            ours, theirs = (predicted == k) & counted, (truth == k) & counted
            for row, (a, b) in enumerate([(ours, theirs), (boundary(ours), boundary(theirs))]):
                sums[3 * row : 3 * row + 3, k] += (a & b).sum(), (a | b).sum(), a.sum() + b.sum()
    both, either, areas, edge_both, edge_either, _ = sums
    with np.errstate(invalid="ignore"):  # a class in neither truth nor prediction has no score
        return np.array([both / either, edge_both / edge_either, 2 * both / areas])


def boundary(mask: Any, ratio: float = 0.02) -> Any:
    """Take the pixels of a mask within 2 % of the diagonal from its contour, as Cheng et al. (2021) published it."""
    distance = max(1, round(ratio * float(np.hypot(*mask.shape))))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inside = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
    return mask & (inside == 0)


def run(artifact: Path, spec: Any, data: Path, split: str) -> Iterator[tuple[Any, Any]]:
    """Label every image that has a mask; both maps are of the image's own size."""
    model = open_model(artifact)
    for path in sorted((data / "masks" / split).iterdir()):
        image = cv2.imread(str(next((data / "images" / split).glob(f"{path.stem}.*"))))
        pixels, inner = fit(image, spec)
        labels = np.ascontiguousarray(decide(model(pixels[np.newaxis]), spec)[inner])
        labels = cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        yield labels, cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def open_model(artifact: Path) -> Callable[[Any], dict[str, Any]]:
    """Open the file in its engine: a function from uint8 (1, H, W, C) to the graph's outputs by name."""
    if artifact.name.endswith("-openvino"):
        import openvino

        compiled = openvino.Core().compile_model(artifact / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda pixels: {port.any_name: found[0] for port, found in compiled(pixels).items()}
    import onnxruntime

    session = onnxruntime.InferenceSession(artifact / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda pixels: dict(zip(names, (found[0] for found in session.run(names, {"image": pixels})), strict=True))


def fit(image: Any, spec: Any) -> tuple[Any, tuple[slice, slice]]:
    """Bring a BGR picture to the network's size, stretched or between grey bars, and say which part of it that is."""
    if spec["color_order"] == "gray":
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    height, width = spec["height"], spec["width"]
    if spec["resize"] == "letterbox":
        scale = min(height / image.shape[0], width / image.shape[1])
        height, width = min(height, round(image.shape[0] * scale)), min(width, round(image.shape[1] * scale))
    top, left = (spec["height"] - height) // 2, (spec["width"] - width) // 2
    inner = slice(top, top + height), slice(left, left + width)
    pixels = np.full((spec["height"], spec["width"], *image.shape[2:]), 114, np.uint8)
    pixels[inner] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels.reshape(spec["height"], spec["width"], -1), inner


def decide(outputs: dict[str, Any], spec: Any) -> Any:
    """Apply the thresholds, where there are any; confidence is ``round(255 * p)``.

    A binary network's threshold is in its graph already.
    """
    labels, thresholds = outputs["labels"], spec.get("thresholds") or [spec["threshold"]] * len(spec["classes"])
    if thresholds[0] is None or spec["task"] == "binary":
        return labels
    least = np.floor(255 * np.array(thresholds) + 0.5)
    unknown = ("background", "unknown", "void", "unlabelled", "unlabeled")
    other = next((k for k, name in enumerate(spec["classes"]) if name.lower() in unknown), 255)
    return np.where(outputs["confidence"] >= least[labels], labels, np.uint8(other))


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit("usage: score_with_numpy.py ARTIFACT DATA [SPLIT]")
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
