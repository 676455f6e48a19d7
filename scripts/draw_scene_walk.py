"""Draw the walk of docs/zoo.md from a clip to a network for its scene: frame, what people labels, what was learned.

    python scripts/draw_scene_walk.py DATA ARTIFACT OUT.jpg [--frames 3]

DATA is the folder that ``edgeseg run people --save-frames DATA --save-masks DATA`` left, ARTIFACT the network that was
trained on it. Frames are spread over those that show the last class; void is pale yellow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import edgeseg
from edgeseg.dataset import Dataset
from edgeseg.draw import color_table, contact_sheet, overlay
from edgeseg.image import UInt8, read_mask

TITLES = ("frame", "labels by people; void is pale", "the network for this scene")
VOID, VOID_BGR = 255, (192, 224, 224)
WIDTH = 320


def draw(data: Path, artifact: str, count: int) -> UInt8:
    """Draw a row for each frame."""
    pairs = [pair for pair in Dataset.open(data).pairs("train") if np.isin(read_mask(pair.mask), 1).mean() > 0.03]
    chosen = [pairs[at] for at in np.linspace(0, len(pairs) - 1, count + 2).astype(int)[1:-1]]
    rows = []
    with edgeseg.load(artifact) as model:
        table = color_table(model.spec, hide=0)
        table[VOID, 0] = VOID_BGR
        for pair in chosen:
            image = cv2.imread(str(pair.image))
            rows.append([image, overlay(image, read_mask(pair.mask), table), model(image).overlay(image)])
    return contact_sheet(rows, TITLES, WIDTH)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("artifact")
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=3)
    args = parser.parse_args()
    cv2.imwrite(str(args.out), draw(args.data, args.artifact, args.frames), [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
