"""Made data that stands in for the real pictures, clips and files, which are not part of the repository.

The folder is laid out as the real one (``CONTRIBUTING.md``), and made in a second on the machine that runs the tests.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from linear_model import onnx_model
from shared_folder import FillOnce

from edgeseg.spec import ModelSpec

FRAMES = 89
TRUNCATED = 0.6
"""Share of a file that is left."""


def _fill(root: Path) -> None:
    for folder in ("clips", "malformed/video", "malformed/onnx"):
        (root / folder).mkdir(parents=True)
    clip = write_clip(root / "clips" / "intel_asl_walk.mkv")
    data = clip.read_bytes()
    (root / "malformed/video/truncated_60pct.mkv").write_bytes(data[: int(TRUNCATED * len(data))])
    whole = onnx_model(ModelSpec("multiclass", ("a", "b", "c"), 24, 32), confidence=True).SerializeToString()
    (root / "malformed/onnx/truncated_half.onnx").write_bytes(whole[: len(whole) // 2])
    (root / "malformed/onnx/empty.onnx").write_bytes(b"")


def write_clip(path: Path) -> Path:
    """Write a disc that walks through noise, 160x120 at 20 fps: every picture costs about as many bytes."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"g": "10", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = Fraction(1, 20)
        for number in range(FRAMES):
            picture = rng.integers(60, 110, (120, 160, 3), dtype=np.uint8)
            cv2.circle(picture, (10 + number * 3 // 2, 60), 20, (200, 180, 40), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session", params=["made", "real"])
def sample_data(request: pytest.FixtureRequest, fill_once: FillOnce) -> Path:
    """Give a test the made files and, where they are, the real ones."""
    if request.param == "made":
        return fill_once("made-data", _fill)
    found: Path = request.getfixturevalue("data_dir")
    return found
