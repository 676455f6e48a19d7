"""What the tests of MediaPipe's selfie network share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeseg.export.specs.foreign_spec import SpecFlags

SELFIE = "models/selfie_segmentation.tflite"
PEOPLE = SpecFlags(classes=("background", "person"), color_order="rgb", mean=(0.0,), std=(1.0,))
RECORDED = Path(__file__).with_name("recorded")


def picture(data_dir: Path, number: int = 3) -> np.ndarray:
    """A person, as the network takes him: float32 [1, 256, 256, 3] of 0..1, RGB."""
    image = cv2.imread(str(sorted((data_dir / "person_voc" / "images" / "train").iterdir())[number]))
    return (cv2.resize(image, (256, 256))[None, ..., ::-1] / 255).astype(np.float32)
