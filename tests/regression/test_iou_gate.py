"""The shipped model segments as well as when it was shipped, and INT8 as well as float.

The scenes have exact labels and are the same on every machine; calibration saw none of them. The
floors lie half a point under what was measured, because kernels differ by CPU (VNNI or not).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.demo.cells import render_scene
from edgeseg.errors import GateFailed
from edgeseg.metrics.confusion import Confusion
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import samples_from
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.engines.predictor import Predictor

pytestmark = pytest.mark.isa

SCENES = [render_scene(40_000 + number, number % 7, 256, 256) for number in range(24)]
FLOOR = {"mean": 0.955, "background": 0.985, "cell": 0.955, "border": 0.90}
MAX_DROP_POINTS = 0.5


def score(artifact: Artifact) -> Confusion:
    confusion = Confusion(artifact.spec.num_classes)
    with Predictor(open_engine(artifact)) as predict:
        for image, truth in SCENES:
            confusion.update(predict(image), truth)
    return confusion


@pytest.fixture(scope="module")
def scores(fp32: Artifact, int8: Artifact) -> dict[str, Confusion]:
    return {"fp32": score(fp32), "int8": score(int8)}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_iou_stays_above_its_floor(scores: dict[str, Confusion], precision: str, fp32: Artifact) -> None:
    found = scores[precision]
    values = {"mean": found.mean_iou, **dict(zip(fp32.spec.classes, found.iou.tolist(), strict=True))}
    under = {name: round(values[name], 4) for name, floor in FLOOR.items() if values[name] < floor}
    assert not under, f"{precision} IoU fell to {under}; the floors are {FLOOR}"


def test_int8_loses_at_most_half_a_point(scores: dict[str, Confusion]) -> None:
    drop = 100 * (scores["fp32"].mean_iou - scores["int8"].mean_iou)
    assert drop <= MAX_DROP_POINTS, f"INT8 lost {drop:.2f} points of mIoU; {MAX_DROP_POINTS} are allowed"


def test_int8_computes_in_int8(int8: Artifact, fp32: Artifact) -> None:
    """A drop of nothing would also come from a model that was never quantised."""
    assert int8.size_bytes < 0.75 * fp32.size_bytes
    with Predictor(open_engine(int8)) as after, Predictor(open_engine(fp32)) as before:
        assert any(np.any(after(image) != before(image)) for image, _ in SCENES[:8])


def test_a_collapse_is_refused_and_leaves_nothing(demo: Path, fp32: Artifact, tmp_path: Path) -> None:
    """Calibrated on faint grey noise the ranges are nonsense: the gate must say so, and hand nothing over."""
    grey = tmp_path / "grey"
    grey.mkdir()
    rng = np.random.default_rng(0)
    for number in range(10):
        picture = (110 + number + rng.integers(0, 8, (256, 256, 3))).astype(np.uint8)
        cv2.imwrite(str(grey / f"{number}.png"), picture)
    place = OutputOptions(tmp_path / "out", "cells")
    shutil.copytree(fp32.path, place.out / fp32.path.name)
    images = load_set(grey, fp32.spec)
    samples = samples_from(demo / "scenes", fp32.spec).spread(6)
    with pytest.raises(GateFailed, match="points of mIoU"):
        int8_artifact(fp32, images, place, samples, Budget(MAX_DROP_POINTS, search=False))
    assert [path.name for path in place.out.iterdir()] == [fp32.path.name]
