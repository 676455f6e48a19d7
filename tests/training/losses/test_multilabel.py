"""Losses of independent sigmoids are those of each class as a binary task."""

from __future__ import annotations

import pytest
import torch

from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.losses.dice import dice_loss
from edgeseg.training.losses.losses import VOID, binary_cross_entropy
from edgeseg.training.losses.multilabel import multilabel_cross_entropy, multilabel_dice, target_planes
from edgeseg.training.losses.registry import make_loss

SPEC = ModelSpec("multilabel", ("sky", "road", "car"), 16, 16)
PIXELS = torch.tensor([[50, 50], [90, 10], [99, 1]])


def example() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 6, 5, generator=random)
    target = torch.randint(0, 8, (2, 6, 5), generator=random)
    target[:, :2] = VOID
    return logits, target


def alone(target: torch.Tensor, index: int) -> torch.Tensor:
    """The class as a binary target."""
    return torch.where(target == VOID, VOID, target >> index & 1)


def test_bce_is_the_mean_of_each_class_as_a_binary_task() -> None:
    logits, target = example()
    expected = [binary_cross_entropy(logits[:, k : k + 1], alone(target, k)) for k in range(3)]
    assert torch.allclose(multilabel_cross_entropy(logits, target), torch.stack(expected).mean())


def test_dice_is_the_mean_of_each_class_as_a_binary_task() -> None:
    logits, target = example()
    expected = [dice_loss(logits[:, k : k + 1], alone(target, k)) for k in range(3)]
    assert torch.allclose(multilabel_dice(logits, target), torch.stack(expected).mean())


def test_void_pixels_change_no_gradient() -> None:
    logits, target = example()
    logits.requires_grad_()
    (multilabel_cross_entropy(logits, target) + multilabel_dice(logits, target)).backward()
    assert logits.grad is not None
    assert logits.grad[:, :, :2].abs().sum() == 0
    assert logits.grad[:, :, 2:].abs().sum() > 0


def test_all_void_gives_zero_not_nan() -> None:
    logits, target = torch.randn(1, 3, 2, 2), torch.full((1, 2, 2), VOID)
    assert multilabel_cross_entropy(logits, target) == 0
    assert multilabel_dice(logits, target) == 0


def test_rare_classes_weigh_more_where_they_show_when_balanced() -> None:
    logits, target = torch.zeros(1, 3, 1, 1), torch.tensor([[[0b111]]])
    plain, balanced = (make_loss(SPEC, PIXELS, mode)(logits, target).item() for mode in ("none", "balanced"))
    assert plain == pytest.approx(0.6931, abs=1e-3)
    assert balanced > 2 * plain


def test_terms_are_summed_and_bce_is_the_default() -> None:
    logits, target = example()
    both = make_loss(SPEC, PIXELS, "none", "bce+dice")(logits, target)
    assert torch.allclose(both, make_loss(SPEC, PIXELS, "none")(logits, target) + multilabel_dice(logits, target))


@pytest.mark.parametrize("name", ["ce", "focal", "lovasz"])
def test_losses_of_one_class_a_pixel_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"`loss='{name}'` is for .* tasks, this one is multilabel; use bce"):
        make_loss(SPEC, PIXELS, "none", name)


def test_boundary_weights_are_refused() -> None:
    with pytest.raises(UserError, match="`boundary_weights` keep objects apart"):
        make_loss(SPEC, PIXELS, "none", "bce", boundary=True)


def test_planes_of_a_target() -> None:
    assert target_planes(torch.tensor([[[5]]]), 3).flatten().tolist() == [True, False, True]
