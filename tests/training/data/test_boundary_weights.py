"""U-Net's weight map against the paper's equation, pixel by pixel; and the way it takes into the loss."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import read_checkpoint
from edgeseg.training.data.augment import Augmentation, augment, warp_weights
from edgeseg.training.data.boundary_weights import BoundaryWeights, WeightCache, instances, two_distances
from edgeseg.training.data.folder import FolderDataset
from edgeseg.training.losses.losses import VOID, binary_cross_entropy, cross_entropy
from edgeseg.training.losses.registry import make_loss


def drawn_objects(seed: int, count: int = 12, size: int = 60) -> np.ndarray:
    """Boxes that may overlap and so merge."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((size, size), np.uint8)
    for y, x, h, w in rng.integers((0, 0, 1, 1), (size - 8, size - 8, 9, 9), (count, 4)):
        mask[y : y + h, x : x + w] = 1
    return mask


def brute_force(mask: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """The paper's second term from all pairs of pixel and object."""
    numbered = instances(mask, (1,))
    objects = [np.argwhere(numbered == number) for number in range(1, numbered.max() + 1)]
    weights = np.zeros(mask.shape)
    for y, x in np.argwhere(mask == 0):
        away = sorted(np.sqrt(((pixels - (y, x)) ** 2).sum(1)).min() for pixels in objects)
        if len(away) > 1:
            weights[y, x] = w0 * np.exp(-((away[0] + away[1]) ** 2) / (2 * sigma**2))
    return weights


@pytest.mark.parametrize("seed", range(3))
def test_the_map_is_the_equation_of_the_paper(seed: int) -> None:
    mask = drawn_objects(seed)
    found = BoundaryWeights(10, 3).map(mask)
    np.testing.assert_allclose(found, brute_force(mask, 10, 3), atol=10 / 20_000)
    assert found.max() > 1


def test_a_gap_of_one_pixel_weighs_w0_exp_of_two_over_sigma_squared() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[:, :4], mask[:, 5:] = 1, 1
    expected = 10 * np.exp(-(2**2) / (2 * 5**2))
    np.testing.assert_allclose(BoundaryWeights().map(mask)[:, 4], expected, rtol=1e-6)


def test_objects_themselves_and_a_lonely_object_weigh_nothing() -> None:
    mask = drawn_objects(1)
    assert not BoundaryWeights().map(mask)[mask == 1].any()
    lonely = np.zeros((30, 30), np.uint8)
    lonely[10:14, 10:14] = 1
    assert not BoundaryWeights().map(lonely).any()
    assert not BoundaryWeights().map(np.zeros((5, 5), np.uint8)).any()


def test_objects_are_the_named_classes_and_never_void() -> None:
    mask = np.zeros((8, 20), np.uint8)
    mask[:, 2:5], mask[:, 8:11], mask[:, 14:17] = 1, 2, VOID
    assert BoundaryWeights(10, 3, (1,)).map(mask).max() == 0
    both = BoundaryWeights(10, 3).map(mask)
    assert both[0, 6] > 1
    assert both[0, 12] < both[0, 6]
    assert np.array_equal(both, BoundaryWeights(10, 3, (1, 2)).map(mask))


def test_instances_that_touch_are_told_apart_by_their_numbers() -> None:
    numbered = np.zeros((10, 10), np.int32)
    numbered[2:8, 2:5], numbered[2:8, 5:8] = 1, 2
    assert BoundaryWeights(10, 5).map_of_instances(numbered)[1, 4] > 5
    with pytest.raises(DataError, match=r"map of integers \(H, W\); found float64"):
        BoundaryWeights().map_of_instances(np.zeros((3, 3)))


def test_components_that_meet_at_a_corner_are_one() -> None:
    mask = np.eye(6, dtype=np.uint8)
    assert instances(mask, (1,)).max() == 1


def test_distances_within_reach_are_exact() -> None:
    numbered = instances(drawn_objects(5, 30, 80), (1,))
    near, second = two_distances(numbered, 12.0)
    whole_near, whole_second = two_distances(numbered, 200.0)
    np.testing.assert_allclose(near[whole_near < 12], whole_near[whole_near < 12], rtol=1e-6)
    np.testing.assert_allclose(second[whole_second < 12], whole_second[whole_second < 12], rtol=1e-6)


@pytest.mark.parametrize("wrong", [(0, 5), (10, 0), (-1, 5), (10, 1e9), (float("nan"), 5)])
def test_numbers_that_make_no_map_are_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="`boundary_weights` takes W0"):
        BoundaryWeights(*wrong)


def test_the_cache_knows_masks_by_their_content_and_keeps_its_limit() -> None:
    cache = WeightCache(BoundaryWeights(10, 3), limit_bytes=3 * 60 * 60 * 2)
    masks = [drawn_objects(seed) for seed in range(5)]
    first = [cache(mask) for mask in masks]
    assert (cache.made, cache.used_bytes) == (5, 3 * 60 * 60 * 2)
    np.testing.assert_allclose(cache(masks[4].copy()), first[4])
    assert cache.made == 5
    np.testing.assert_allclose(first[0], BoundaryWeights(10, 3).map(masks[0]), rtol=1e-3, atol=1e-6)
    transposed = cache(np.ascontiguousarray(masks[4].reshape(30, 120)))
    assert transposed.shape == (30, 120)


def test_weights_move_with_the_mask() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[20:60, 20:38], mask[20:60, 40:58] = 1, 1
    weights = BoundaryWeights(10, 4).map(mask)
    for seed in range(20):
        key = (seed, 1, 2)
        _, target = augment(
            mask[..., None].repeat(3, 2), mask, (48, 48), (1.0, 1.0), Augmentation(), np.random.default_rng(key)
        )
        moved = warp_weights(weights, (48, 48), (1.0, 1.0), Augmentation(), np.random.default_rng(key))
        heavy = moved > 8
        assert (target[heavy] != 1).mean() > 0.85 if heavy.any() else True
        assert moved[target == VOID].max(initial=0) < 1


def test_crops_carry_weights_and_their_images_stay_the_same(discs: Dataset, disc_spec: ModelSpec) -> None:
    plain = FolderDataset(discs, "train", disc_spec, (32, 32), seed=3)
    weighted = FolderDataset(discs, "train", disc_spec, (32, 32), seed=3, boundary=BoundaryWeights(10, 8))
    sums = []
    for index in range(len(plain)):
        image, target, weights = weighted[2, index]
        assert all(torch.equal(a, b) for a, b in zip(plain[2, index], (image, target), strict=True))
        assert weights.shape == target.shape
        assert weights.dtype == torch.float32
        sums.append(float(weights.sum()))
    assert max(sums) > 1


def test_boundary_weights_raise_the_loss_of_their_pixels_and_of_no_other() -> None:
    generator = torch.Generator().manual_seed(1)
    target = torch.randint(0, 3, (2, 5, 6), generator=generator)
    target[0, 0] = VOID
    boundary = torch.rand(2, 5, 6, generator=generator)
    logits = torch.randn(2, 3, 5, 6, generator=generator)
    each = F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")
    weights = torch.tensor([0.5, 1.0, 2.0])
    per_pixel = weights[target.where(target != VOID, 0)] * (target != VOID)
    expected = (each * (per_pixel + boundary)).sum() / per_pixel.sum()
    assert torch.allclose(cross_entropy(logits, target, weights, boundary), expected)
    nothing = torch.zeros_like(boundary)
    assert torch.allclose(cross_entropy(logits, target, weights, nothing), cross_entropy(logits, target, weights))


def test_boundary_weights_in_binary_cross_entropy() -> None:
    logits, target = torch.tensor([[[[0.0, 0.0, 0.0]]]]), torch.tensor([[[1, 0, VOID]]])
    boundary = torch.tensor([[[0.0, 3.0, 7.0]]])
    found = binary_cross_entropy(logits, target, torch.tensor(2.0), boundary)
    assert found.item() == pytest.approx(np.log(2) * (2 + (1 + 3)) / 2)


def test_a_loss_over_regions_alone_cannot_be_weighted() -> None:
    spec = ModelSpec("binary", ("background", "cell"), 8, 8)
    with pytest.raises(UserError, match=r"no per-pixel term. Add one: `loss='bce\+dice'`"):
        make_loss(spec, torch.tensor([9, 1]), "none", "dice", boundary=True)


def train_verb(folder: Path, out: Path, *flags: str) -> int:
    small = ("--width", "0.25", "--batch", "4", "--epochs", "1", "--amp", "no", "--device", "cpu")
    return main(["train", "--data", str(folder), "--out", str(out), *small, *flags])


@pytest.mark.parametrize(("named", "labels"), [((), (1,)), (("background",), (0,)), (("disc", "background"), (1, 0))])
def test_boundary_objects_names_the_classes_whose_regions_are_kept_apart(
    named: tuple[str, ...], labels: tuple[int, ...], tmp_path: Path, disc_folder: Path
) -> None:
    chosen = ("--boundary-objects", *named) if named else ()
    assert train_verb(disc_folder, tmp_path, "--boundary-weights", "10", "5", *chosen) == 0
    found = read_checkpoint(tmp_path / "last.pt")["training"]["boundary"]
    assert found == {"w0": 10.0, "sigma": 5.0, "objects": labels}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--boundary-weights", "10", "5", "--boundary-objects", "disk"), "no class 'disk'; classes are background, d"),
        (("--boundary-objects", "disc"), "give both"),
    ],
)
def test_wrong_boundary_objects_are_refused(
    flags: tuple[str, ...], said: str, tmp_path: Path, disc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_verb(disc_folder, tmp_path / "out", *flags) == 2
    assert said in capsys.readouterr().err


def test_a_run_says_how_much_is_weighted_and_when_that_is_next_to_nothing(
    tmp_path: Path, disc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_verb(disc_folder, tmp_path / "a", "--boundary-weights", "10", "5") == 0
    assert re.search(r"boundary weights: [1-9]\d*\.\d % of the training pixels weigh more\n", capsys.readouterr().out)
    assert train_verb(disc_folder, tmp_path / "b", "--boundary-weights", "10", "0.1") == 0
    assert "hardly any: choose other --boundary-objects (now: disc)" in capsys.readouterr().out
