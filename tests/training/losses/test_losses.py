from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from edgeseg.spec import ModelSpec
from edgeseg.training.losses.losses import VOID, binary_cross_entropy, class_weights, cross_entropy
from edgeseg.training.losses.registry import make_loss

GENERATOR = torch.Generator().manual_seed(0)


def test_cross_entropy_equals_torch_where_nothing_is_void() -> None:
    logits, target = torch.randn(2, 3, 5, 6, generator=GENERATOR), torch.randint(0, 3, (2, 5, 6), generator=GENERATOR)
    weights = torch.tensor([0.5, 1.0, 2.0])
    assert torch.allclose(cross_entropy(logits, target, weights), F.cross_entropy(logits, target, weights))
    assert torch.allclose(cross_entropy(logits, target), F.cross_entropy(logits, target))


def test_void_pixels_change_neither_loss_nor_gradient() -> None:
    logits = torch.randn(1, 3, 2, 4, generator=GENERATOR, requires_grad=True)
    target = torch.randint(0, 3, (1, 2, 4), generator=GENERATOR)
    void = torch.cat([target[..., :2], torch.full((1, 2, 2), VOID)], -1)
    loss = cross_entropy(logits, void)
    assert torch.allclose(loss, cross_entropy(logits[..., :2], target[..., :2]))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[..., 2:].abs().sum() == 0


@pytest.mark.parametrize("weights", [None, torch.ones(3)])
def test_all_void_gives_zero_not_nan(weights: torch.Tensor | None) -> None:
    loss = cross_entropy(torch.randn(1, 3, 2, 2), torch.full((1, 2, 2), VOID), weights)
    assert loss == 0


def test_bce_of_the_lecture_example() -> None:
    p = torch.tensor([[0.5, 0.2, 0.4], [0.1, 0.9, 0.1], [0.6, 0.2, 0.5]])
    y = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    expected = -sum(
        math.log(v if t else 1 - v) for v, t in zip(p.flatten().tolist(), y.flatten().tolist(), strict=True)
    )
    assert binary_cross_entropy(torch.logit(p)[None, None], y[None]).item() == pytest.approx(expected / 9, rel=1e-5)


def test_bce_ignores_void_and_stays_finite_at_extremes() -> None:
    logits = torch.tensor([[[[100.0, -100.0, 5.0]]]])
    assert binary_cross_entropy(logits, torch.tensor([[[1, 0, VOID]]])) == pytest.approx(0.0, abs=1e-6)
    assert math.isfinite(binary_cross_entropy(logits, torch.tensor([[[0, 1, VOID]]])))


def test_balanced_weights_favour_rare_classes_with_mean_one() -> None:
    weights = class_weights(torch.tensor([900, 90, 10, 0]), "balanced")
    assert weights[2] > weights[1] > weights[0]
    assert weights[:3].mean() == pytest.approx(1.0)
    assert torch.equal(class_weights(torch.tensor([9, 1]), "none"), torch.ones(2))


def test_binary_task_trains_one_logit_with_a_balanced_positive_class() -> None:
    spec = ModelSpec("binary", ("background", "x"), 8, 8)
    loss = make_loss(spec, torch.tensor([900, 100]), "balanced")
    missed = loss(torch.full((1, 1, 2, 2), -2.0), torch.ones(1, 2, 2, dtype=torch.long))
    false_alarm = loss(torch.full((1, 1, 2, 2), 2.0), torch.zeros(1, 2, 2, dtype=torch.long))
    assert missed > 2 * false_alarm
