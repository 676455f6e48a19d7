"""A small model and pictures under the names that the examples use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import linear_model
import numpy as np
import pytest

import edgeseg
from edgeseg.demo import cells
from edgeseg.spec import ModelSpec

CELLS = ModelSpec("multiclass", ("background", "cell", "border"), 48, 64, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


@pytest.fixture(scope="session")
def cells_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OpenVINO artifact of three classes with a confidence output."""
    return linear_model.artifact(tmp_path_factory.mktemp("cells"), "openvino", CELLS, True).path


@pytest.fixture
def place(cells_artifact: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of an example: an artifact, a photo, a folder of photos and a clip."""
    shutil.copytree(cells_artifact, tmp_path / "cells-int8-openvino")
    shutil.copy(clip, tmp_path / "street.mp4")
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(("photo.png", "photos/a.png", "photos/b.png")):
        cv2.imwrite(str(tmp_path / name), blobs(number))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def demo_place(place: Path, cells_artifact: Path, scenes: Path) -> Path:
    """The same, with a small version of what ``make demo`` leaves in ``runs/demo``."""
    shutil.copytree(cells_artifact, place / "runs" / "demo" / "cells-int8-openvino")
    shutil.copytree(cells_artifact, place / "runs" / "demo" / "cells-fp32-openvino")
    shutil.copytree(scenes, place / "runs" / "demo" / "scenes")
    draw_as_the_model_does(cells_artifact, place / "runs" / "demo" / "scenes")
    shutil.copy(place / "street.mp4", place / "runs" / "demo" / "clip.mp4")
    return place


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled data folder of rendered cells."""
    root = tmp_path_factory.mktemp("scenes") / "scenes"
    cells.write_dataset(root, 16, 3, 64, 7)
    return root


def draw_as_the_model_does(artifact: Path, scenes: Path) -> None:
    """Draw the masks of a data folder anew: a network that nobody trained is right then, and can prove something."""
    with edgeseg.load(artifact) as model:
        for image in sorted((scenes / "images").rglob("*.png")):
            cv2.imwrite(str(scenes / "masks" / image.relative_to(scenes / "images")), model(image).labels)


@pytest.fixture
def model(place: Path) -> Iterator[edgeseg.Model]:
    with edgeseg.load("cells-int8-openvino") as opened:
        yield opened


def blobs(seed: int, height: int = 360, width: int = 480) -> Any:
    """Smooth spots of all colours, BGR."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
