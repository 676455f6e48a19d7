"""Masks from Python: an artifact and an image in, a picture with the masks drawn in out.

Run it as::

    python examples/predict_image.py runs/demo/cells-int8-openvino photo.png masked.png
"""

from __future__ import annotations

import sys

import cv2

import edgeseg


def main(artifact: str, image: str, target: str) -> None:
    with edgeseg.load(artifact) as model:
        result = model(image)
    cv2.imwrite(target, result.overlay(legend=True))
    for name, area in result.areas().items():
        print(f"{name}: {area.share:.1%}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: predict_image.py ARTIFACT IMAGE OUT.png")
    main(*sys.argv[1:])
