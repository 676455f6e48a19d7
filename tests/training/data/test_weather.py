"""Crops under other light, weather and cameras than the pictures' own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.data.augment import AUGMENTATIONS, augment
from edgeseg.training.data.folder import FolderDataset
from edgeseg.training.data.weather import EFFECTS, Effect, add_haze, add_noise, change_gamma, compress, weather
from edgeseg.training.loop import Trainer
from edgeseg.training.settings import TrainSettings


def street(height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth picture with a bright and a dark half, in colours."""
    ramp = np.linspace(30, 220, width, dtype=np.float32)[None].repeat(height, 0)
    ramp[height // 2 :] *= 0.5
    return np.stack([ramp, ramp * 0.8, ramp * 0.6], -1).astype(np.uint8)


def draw(effect: Effect, seed: int) -> np.ndarray:
    return effect(street(), np.random.default_rng(seed))


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__)
def test_an_effect_changes_the_picture_by_its_seed_alone_and_leaves_its_argument(effect: Effect) -> None:
    image = street()
    drawn = [effect(image, np.random.default_rng(seed)) for seed in (1, 1, 2, 3)]
    assert np.array_equal(image, street())
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in drawn)
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert any(not np.array_equal(one, image) for one in drawn)


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__)
def test_what_is_seen_stays_where_it_is(effect: Effect) -> None:
    """The labels stay as they are, so the left must stay darker than the right, and the lower half than the upper."""
    for seed in range(20):
        image = draw(effect, seed).astype(float)
        assert image[:48, 96:].mean() > image[:48, :32].mean(), seed
        assert image.std() > 5, seed


def test_gamma_keeps_black_and_white() -> None:
    ends = np.zeros((4, 4, 3), np.uint8)
    ends[2:] = 255
    for seed in range(5):
        assert np.array_equal(change_gamma(ends, np.random.default_rng(seed)), ends)


def test_noise_has_the_strength_that_it_says() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    spread = [add_noise(grey, np.random.default_rng(seed)).std() for seed in range(40)]
    assert 2 <= min(spread) < 5
    assert 9 < max(spread) <= 12.5


def test_compression_is_that_of_a_jpeg() -> None:
    rng = np.random.default_rng(4)
    quality = int(np.random.default_rng(4).integers(20, 81))
    done, data = cv2.imencode(".jpg", street(), (cv2.IMWRITE_JPEG_QUALITY, quality))
    assert done
    assert np.array_equal(compress(street(), rng), cv2.imdecode(data, cv2.IMREAD_COLOR))


def test_haze_takes_contrast_and_never_all_of_it() -> None:
    for seed in range(20):
        hazy = draw(add_haze, seed).astype(float)
        across = np.ptp(hazy[:48], axis=1).min()
        assert 0.35 * np.ptp(street()[:48].astype(float), axis=1).min() < across


def test_each_effect_comes_as_often_as_it_is_asked_for() -> None:
    assert np.array_equal(weather(street(), 0.0, np.random.default_rng(0)), street())
    changed = [not np.array_equal(weather(street(), 0.05, np.random.default_rng(s)), street()) for s in range(200)]
    assert 0.2 < np.mean(changed) < 0.5, "1 - 0.95^8 = 0.34"


def test_light_crops_are_what_they_were_before_there_were_strong_ones() -> None:
    mask = np.zeros((96, 128), np.uint8)
    light = augment(street(), mask, (64, 64), (1.0, 1.0), AUGMENTATIONS["light"], np.random.default_rng(3))[0]
    strong = augment(street(), mask, (64, 64), (1.0, 1.0), AUGMENTATIONS["strong"], np.random.default_rng(3))[0]
    assert light.shape == strong.shape
    assert not np.array_equal(light, strong)
    assert AUGMENTATIONS["light"].weather == 0


def test_a_training_takes_the_augmentation_by_its_name(tmp_path: Path, discs: Dataset, disc_spec: ModelSpec) -> None:
    settings = TrainSettings(
        tmp_path, options={"width": 0.25}, epochs=1, batch=4, crop=(32, 32), amp="no", device="cpu", augment="strong"
    )
    trainer = Trainer(discs, disc_spec, settings)
    expected = FolderDataset(discs, "train", disc_spec, (32, 32), AUGMENTATIONS["strong"])
    assert all((a == b).all() for a, b in zip(trainer.train_set[2, 3], expected[2, 3], strict=True))
    assert settings.identity()["augment"] == "strong"
    with pytest.raises(UserError, match="`augment` is light or strong; found 'wild'"):
        TrainSettings(tmp_path, augment="wild")
