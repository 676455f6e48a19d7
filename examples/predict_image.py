"""Masks from Python: an artifact and an image in, a picture with the masks drawn in out.

Run it as::

    python examples/predict_image.py runs/demo/cells-int8-openvino photo.png masked.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from edgeseg.artifact import Artifact
from edgeseg.draw import color_table, overlay
from edgeseg.image import read_image
from edgeseg.legend import draw_legend
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.engines.predictor import Predictor


def main(model: str, source: str, target: str) -> None:
    artifact = Artifact.open(model)
    image = read_image(source)
    with Predictor(open_engine(artifact)) as predict:
        labels = predict(image)
    picture = overlay(image, labels, color_table(artifact.spec, hide=artifact.spec.unknown_label))
    draw_legend(picture, artifact.spec)
    Path(target).write_bytes(cv2.imencode(".png", picture)[1].tobytes())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: predict_image.py ARTIFACT IMAGE OUT.png")
    main(*sys.argv[1:])
