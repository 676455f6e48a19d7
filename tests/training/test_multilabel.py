"""A network of independent sigmoids is trained, exported and scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import edgeseg
from edgeseg.dataset import Dataset
from edgeseg.errors import CheckpointError, DataError, DataWarning, UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model
from edgeseg.training.data.folder import FolderDataset, count_pixels
from edgeseg.training.distill import Teacher, distillation_loss
from edgeseg.training.loop import TrainResult
from edgeseg.training.settings import Distillation
from edgeseg.training.validation import labels_of

SIZE = 48
CHANNELS = {"ball": 2, "veil": 0}
"""A ball is bright in red, a veil in blue, and where they cross both are."""


def draw(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    image = random.integers(0, 90, (SIZE, SIZE, 3), dtype=np.uint8)
    masks = {}
    for name, channel in CHANNELS.items():
        mask = np.zeros((SIZE, SIZE), np.uint8)
        cv2.circle(mask, tuple(int(v) for v in random.integers(16, 32, 2)), 12, 255, -1)
        image[..., channel][mask > 0] = random.integers(170, 250, np.count_nonzero(mask))
        masks[name] = mask
    return image, masks


@pytest.fixture(scope="session")
def veils(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("veils")
    for split, seeds in (("train", range(12)), ("val", range(20, 24))):
        (root / "images" / split).mkdir(parents=True)
        for seed in seeds:
            image, masks = draw(seed)
            cv2.imwrite(str(root / "images" / split / f"{seed}.png"), image)
            for name, mask in masks.items():
                (root / "masks" / split / name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / "masks" / split / name / f"{seed}.png"), mask)
    (root / "classes.txt").write_text("\n".join(CHANNELS))
    return root


@pytest.fixture(scope="session")
def trained(veils: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    out = tmp_path_factory.mktemp("runs") / "veils"
    small: dict[str, Any] = {"model": "unet", "options": {"width": 0.25}, "device": "cpu", "amp": "no"}
    with pytest.warns(DataWarning):
        return edgeseg.train(veils, out=out, epochs=16, batch=4, val_every=16, lr=1e-2, loss="bce+dice", **small)


def test_it_learns_both_classes_where_they_cross(trained: TrainResult) -> None:
    assert load_model(trained.best).spec.task == "multilabel"
    assert trained.miou > 0.8
    assert trained.verdict.learned
    results = json.loads((trained.best.parent / "results.json").read_text())
    assert min(results["best"]["iou"].values()) > 0.7


def test_its_artifact_shows_both_and_scores_as_in_training(trained: TrainResult, veils: Path, tmp_path: Path) -> None:
    artifact = edgeseg.export_model(trained.best, data=veils, out=tmp_path, format="onnx")
    assert artifact.spec.task == "multilabel"
    assert edgeseg.evaluate(artifact, veils).confusion.mean_iou == pytest.approx(trained.miou, abs=1e-3)
    with edgeseg.load(artifact) as model:
        result = model(veils / "images" / "val" / "20.png")
    both = np.mean(result.mask("ball") & result.mask("veil"))
    masks = draw(20)[1]
    assert both == pytest.approx(np.mean((masks["ball"] > 0) & (masks["veil"] > 0)), abs=0.05)
    assert both > 0.02


def test_a_checkpoint_of_several_goes_on_with_masks_of_several_only(
    trained: TrainResult, disc_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises((CheckpointError, DataError), match=r"classes|several"):
        edgeseg.train(disc_folder, out=tmp_path / "run", weights=trained.best, epochs=1)
    with pytest.raises(DataError, match="does not say how its masks show several classes"):
        edgeseg.train(disc_folder, out=tmp_path / "run", task="multilabel", epochs=1)


def test_masks_of_several_are_not_trained_as_one(veils: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="show several classes a pixel, and the network is multiclass"):
        edgeseg.train(veils, out=tmp_path / "run", task="multiclass", epochs=1)


def test_the_default_loss_is_bce_and_ce_is_refused(veils: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this one is multilabel; use bce"), pytest.warns(DataWarning):
        edgeseg.train(veils, out=tmp_path / "run", loss="ce", epochs=1)


def test_pixels_are_counted_class_by_class(veils: Path) -> None:
    data = Dataset.open(veils)
    spec = ModelSpec("multilabel", data.classes, SIZE, SIZE)
    pixels = count_pixels(FolderDataset(data, "train", spec), range(12))
    expected = [sum(np.count_nonzero(draw(seed)[1][name]) for seed in range(12)) for name in CHANNELS]
    assert pixels[:, 1].tolist() == expected
    assert set(pixels.sum(1).tolist()) == {12 * SIZE * SIZE}


def test_a_teacher_is_imitated_class_by_class(trained: TrainResult) -> None:
    teacher = Teacher.load(Distillation(trained.best, 1.0, 2.0), load_model(trained.best).spec)
    images, target = torch.randn(1, 3, SIZE, SIZE), torch.zeros(1, SIZE, SIZE, dtype=torch.long)
    wanted = load_model(trained.best).model(images)
    student = torch.randn_like(wanted)
    alone = [distillation_loss(student[:, k : k + 1], wanted[:, k : k + 1], target, 2.0) for k in range(2)]
    mixed = teacher.mix(torch.zeros(()), student, images, target)
    assert torch.allclose(mixed, torch.stack(alone).mean(), rtol=1e-4)


def test_labels_are_sets_of_the_classes_with_a_positive_logit() -> None:
    spec = ModelSpec("multilabel", ("a", "b"), 8, 8)
    logits = torch.tensor([[[-1.0, 1.0, -1.0, 1.0]], [[-1.0, -1.0, 1.0, 1.0]]])
    assert labels_of(logits, spec).tolist() == [[0, 1, 2, 3]]
