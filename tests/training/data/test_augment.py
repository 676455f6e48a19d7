from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.data.augment import Augmentation, augment
from edgeseg.training.data.folder import EpochSampler, FolderDataset
from edgeseg.training.loop import Trainer
from edgeseg.training.losses.losses import VOID
from edgeseg.training.settings import TrainSettings

STILL = Augmentation(
    scale=(1.0, 1.0), flip=0.0, rotate_deg=0.0, brightness=0, contrast=0, saturation=0, hue=0, blur=0.0
)


def picture(height: int = 40, width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    mask = rng.integers(0, 3, (height // 4, width // 4), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    return np.repeat(mask[..., None] * 80, 3, 2).astype(np.uint8), mask


def test_without_ranges_a_whole_crop_is_the_image_itself() -> None:
    image, mask = picture()
    out = augment(image, mask, (40, 60), (1.0, 1.0), STILL, np.random.default_rng(0))
    assert np.array_equal(out[0], image)
    assert np.array_equal(out[1], mask)


def test_image_and_mask_move_together() -> None:
    image, mask = picture()
    moving = Augmentation(brightness=0, contrast=0, saturation=0, hue=0, blur=0.0)
    for seed in range(20):
        warped, truth = augment(image, mask, (32, 32), (1.0, 1.0), moving, np.random.default_rng(seed))
        inner = cv2.erode((truth != VOID).astype(np.uint8), np.ones((5, 5)), borderValue=0) > 0
        flat = cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, np.ones((5, 5))) == 0
        chosen = inner & flat
        assert np.abs(warped[chosen, 0].astype(int) - truth[chosen].astype(int) * 80).max(initial=0) <= 2


def test_outside_the_image_is_void() -> None:
    image, mask = picture(16, 16)
    _, truth = augment(image, mask, (64, 64), (1.0, 1.0), STILL, np.random.default_rng(0))
    assert np.count_nonzero(truth != VOID) == 16 * 16


def test_crops_cover_the_whole_image() -> None:
    image, mask = picture(64, 64)
    mask[:] = np.arange(64, dtype=np.uint8)[None]
    seen: set[int] = set()
    for seed in range(600):
        _, crop = augment(image, mask, (24, 24), (1.0, 1.0), STILL, np.random.default_rng(seed))
        seen |= set(crop[0].tolist())
    assert {*range(64)} <= seen


def test_samples_depend_on_seed_epoch_and_index_alone(discs: Dataset, disc_spec: ModelSpec) -> None:
    first, second = (FolderDataset(discs, "train", disc_spec, (32, 32), seed=3) for _ in range(2))
    second[7, 2]
    assert all((a == b).all() for a, b in zip(first[1, 5], second[1, 5], strict=True))
    assert not (first[1, 5][0] == first[2, 5][0]).all()


def test_every_epoch_visits_each_image_once_in_its_own_order() -> None:
    sampler = EpochSampler(50, seed=0)
    orders = []
    for epoch in range(2):
        sampler.epoch = epoch
        keys = list(sampler)
        assert sorted(index for _, index in keys) == list(range(50))
        assert {e for e, _ in keys} == {epoch}
        orders.append(keys)
    assert [i for _, i in orders[0]] != [i for _, i in orders[1]]


def test_the_ignore_index_of_the_data_becomes_void(discs: Dataset) -> None:
    spec = ModelSpec("multiclass", discs.classes, 48, 48)
    _, target = FolderDataset(discs, "val", spec)[0, 0]
    assert (target[:2] == VOID).all()
    assert set(target[2:].unique().tolist()) <= {0, 1}


def test_scale_decides_how_large_things_are_in_a_crop(tmp_path: Path, discs: Dataset, disc_spec: ModelSpec) -> None:
    """A crop of the image's own size: at half the size three quarters of it lie outside the image."""
    shares = {}
    for scale in ((0.5, 0.5), (1.0, 1.0), (0.5, 1.0)):
        settings = TrainSettings(tmp_path, options={"width": 0.25}, scale=scale, batch=4, amp="no", device="cpu")
        crops = Trainer(discs, disc_spec, settings).train_set
        inside = [float((crops[0, index][1] != VOID).float().mean()) for index in range(12)]
        shares[scale] = min(inside), max(inside)
    assert 0.15 < shares[0.5, 0.5][0] <= shares[0.5, 0.5][1] < 0.3
    assert shares[1.0, 1.0][0] > 0.8
    assert shares[0.5, 1.0][1] - shares[0.5, 1.0][0] > 0.2


@pytest.mark.parametrize("scale", [(2.0, 0.5), (0.0, 1.0), (1.0, 99.0), (float("nan"), 1.0)])
def test_senseless_scales_are_refused(tmp_path: Path, scale: tuple[float, float]) -> None:
    with pytest.raises(UserError, match=r"`scale` takes MIN and MAX from 0\.1 to 10"):
        TrainSettings(tmp_path, scale=scale)
