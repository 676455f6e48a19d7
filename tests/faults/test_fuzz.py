"""Mutated images, videos, artifacts and streams: read, or refused with a sentence; never a crash.

``EDGESEG_FUZZ_S`` sets for how long (60 seconds in all), ``EDGESEG_FUZZ_SEED`` which cases.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

pytestmark = pytest.mark.long

SECONDS = float(os.environ.get("EDGESEG_FUZZ_S", "60"))
SEED = os.environ.get("EDGESEG_FUZZ_SEED", "7")
SHARES = {"images": 0.25, "videos": 0.3, "artifacts": 0.15, "headers": 0.05, "streams": 0.25}
_SCRIPT = Path(__file__).with_name("fuzz_cases.py")


def noisy_pictures(count: int) -> list[np.ndarray]:
    chance = np.random.default_rng(1)
    return [chance.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(count)]


def video(path: Path, codec: str, count: int = 30) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in noisy_pictures(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, tiny_artifact: ArtifactMaker) -> dict[str, list[Path]]:
    """What is mutated: small files of every kind that the doors take."""
    root = tmp_path_factory.mktemp("seeds")
    images = [root / f"a.{ending}" for ending in ("png", "jpg", "bmp", "tif", "webp")]
    for path in images:
        cv2.imwrite(str(path), noisy_pictures(1)[0])
    grey = root / "grey16.png"
    cv2.imwrite(str(grey), noisy_pictures(1)[0][..., 0].astype(np.uint16) * 200)
    artifacts = [tiny_artifact(kind) for kind in ("openvino", "onnx")]
    streams = [video(root / "h264.ts", "libx264", 60), video(root / "mpeg2.ts", "mpeg2video", 60)]
    return {
        "images": [*images, grey],
        "videos": [
            video(root / "h264.mp4", "libx264"),
            video(root / "h265.mkv", "libx265"),
            video(root / "mpeg4.avi", "mpeg4"),
            video(root / "motion.mkv", "mjpeg"),
        ],
        "artifacts": [one.path for one in artifacts],
        "headers": [artifacts[1].model_path],
        "streams": streams,
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHARES)
def test_mutated_files_are_read_or_refused(kind: str, files: dict[str, list[Path]], tmp_path: Path) -> None:
    seconds = SECONDS * SHARES[kind]
    words = [sys.executable, _SCRIPT, kind, SEED, seconds, tmp_path, *files[kind]]
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=60 + 4 * seconds, check=False, cwd=tmp_path
    )
    case = (tmp_path / "case").read_text()
    assert done.returncode == 0, f"case {case!r} ended it ({done.returncode}):\n{done.stderr[-3000:]}"
    outcome = json.loads(done.stdout.splitlines()[-1])
    print(outcome)
    assert outcome["cases"] >= (5 if kind == "streams" else 50) * min(1.0, seconds / 10)
    if kind != "streams":  # a live source goes on after whatever comes
        assert outcome.get("read", 0) < outcome["cases"], "no mutation was noticed at all"
