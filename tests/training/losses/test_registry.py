"""Every named loss: gradients, void pixels, empty targets, names; and each against its own definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from edgeseg.errors import UserError
from edgeseg.metrics.confusion import Confusion
from edgeseg.spec import ModelSpec
from edgeseg.training.losses.dice import dice_loss, mask_iou, soft_dice
from edgeseg.training.losses.losses import VOID, Loss, binary_cross_entropy, cross_entropy, focal
from edgeseg.training.losses.lovasz import extension, lovasz, lovasz_softmax
from edgeseg.training.losses.registry import TERMS, check_loss, make_loss

BINARY = ModelSpec("binary", ("background", "cell"), 8, 8)
THREE = ModelSpec("multiclass", ("sky", "road", "tree"), 8, 8)
PIXELS = {"binary": torch.tensor([900, 100]), "multiclass": torch.tensor([700, 250, 50])}
NAMES = [
    *((BINARY, name) for name in ("bce", "dice", "focal", "lovasz", "bce+dice", "focal+dice", "bce+lovasz")),
    *((THREE, name) for name in ("ce", "dice", "focal", "lovasz", "ce+dice", "ce+lovasz")),
]
every_loss = pytest.mark.parametrize(("spec", "name"), NAMES, ids=[f"{s.task}-{n}" for s, n in NAMES])


def made(spec: ModelSpec, name: str | None, mode: str = "balanced") -> Loss:
    return make_loss(spec, PIXELS[spec.task], mode, name)


def example(spec: ModelSpec, seed: int = 0, shape: tuple[int, int] = (4, 5)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, spec.logit_channels, *shape, generator=generator, dtype=torch.double, requires_grad=True)
    return logits, torch.randint(0, spec.num_classes, (2, *shape), generator=generator)


@every_loss
def test_gradients_are_those_of_finite_differences(spec: ModelSpec, name: str) -> None:
    logits, target = example(spec)
    target[0, 0] = VOID
    loss = made(spec, name, "none" if "+" in name else "balanced")
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits,), atol=1e-6)


@every_loss
def test_void_pixels_change_neither_loss_nor_gradient(spec: ModelSpec, name: str) -> None:
    logits, target = example(spec)
    target[..., 3:] = VOID
    loss = made(spec, name)(logits, target)
    assert torch.allclose(loss, made(spec, name)(logits[..., :3], target[..., :3]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[..., 3:].abs().sum() == 0
    assert gradient[..., :3].abs().sum() > 0


@every_loss
def test_a_target_that_is_all_void_gives_zero_with_zero_gradient(spec: ModelSpec, name: str) -> None:
    logits, target = example(spec)
    loss = made(spec, name)(logits, torch.full_like(target, VOID))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


@every_loss
def test_following_the_gradient_finds_the_target(spec: ModelSpec, name: str) -> None:
    logits, target = example(spec)
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(60):
        optimizer.zero_grad()
        made(spec, name)(logits, target).backward()
        optimizer.step()
    found = (logits[:, 0] > 0).long() if spec.task == "binary" else logits.argmax(1)
    assert torch.equal(found, target)


@every_loss
def test_huge_logits_stay_finite(spec: ModelSpec, name: str) -> None:
    logits, target = example(spec)
    huge = (logits.detach() * 1e4).float().requires_grad_()
    loss = made(spec, name)(huge, target)
    loss.backward()
    assert torch.isfinite(loss)
    assert huge.grad is not None
    assert torch.isfinite(huge.grad).all()


def test_a_sum_is_the_sum_of_its_terms() -> None:
    logits, target = example(THREE)
    parts = [made(THREE, name)(logits, target) for name in ("ce", "dice")]
    assert torch.allclose(made(THREE, "ce+dice")(logits, target), parts[0] + parts[1])


def test_without_a_name_the_task_decides() -> None:
    for spec, name in ((BINARY, "bce"), (THREE, "ce")):
        logits, target = example(spec)
        assert torch.equal(made(spec, None)(logits, target), made(spec, name)(logits, target))


@pytest.mark.parametrize(
    ("spec", "name", "said"),
    [
        (THREE, "focla", "did you mean 'focal'"),
        (BINARY, "bce+dise", r"did you mean 'bce\+dice'"),
        (THREE, "bce", "loss.*bce.* is for binary and multilabel tasks, this one is multiclass; use ce"),
        (BINARY, "ce+dice", r"is for multiclass tasks, this one is binary; use bce\+dice"),
        (THREE, "dice+dice", "names a term twice"),
        (THREE, "", "There is no loss"),
    ],
)
def test_a_name_that_does_not_fit_is_refused_with_one_that_does(spec: ModelSpec, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_loss(name, spec.task)


def test_every_term_is_tested_here() -> None:
    assert set(TERMS) == {part for _, name in NAMES for part in name.split("+")}


def test_focal_without_focus_is_the_weighted_cross_entropy() -> None:
    logits, target = example(THREE)
    target[0, 1] = VOID
    weights = torch.tensor([0.5, 1.0, 3.0], dtype=torch.double)
    assert torch.allclose(focal(logits, target, weights, focus=0.0), cross_entropy(logits, target, weights))
    logits, target = example(BINARY)
    target[1, 2] = VOID
    expected = binary_cross_entropy(logits, target, weights[2] / weights[1])
    assert torch.allclose(focal(logits, target, weights[1:], focus=0.0), expected)


def test_focal_of_one_pixel_by_hand() -> None:
    logit = torch.logit(torch.tensor([[[[0.9]]]]))
    loss = focal(logit, torch.tensor([[[1]]]))
    assert loss.item() == pytest.approx(0.1**2 * 0.1053605, rel=1e-4)


def test_soft_dice_of_the_lecture_example_and_why_it_is_not_iou() -> None:
    predicted = torch.tensor([[0.5, 0.2, 0.4, 0.1, 0.9, 0.1, 0.6, 0.2, 0.5]])
    truth = torch.tensor([[1.0, 0, 1, 0, 1, 0, 1, 0, 1]])
    # sum p y = 2.9, sum p = 3.5, sum y = 5
    assert soft_dice(predicted, truth, 0.0).item() == pytest.approx(2 * 2.9 / 8.5)
    # over 0.5: the pixels 0, 4, 6 and 8, all true, of 5 true ones
    assert mask_iou(predicted, truth).item() == pytest.approx(4 / 5)
    hesitant = torch.full((1, 1000), 0.51)
    assert mask_iou(hesitant, torch.ones(1, 1000)) == 1
    assert soft_dice(hesitant, torch.ones(1, 1000), 0.0).item() == pytest.approx(0.675, abs=1e-3)


def test_on_masks_soft_dice_and_mask_iou_are_those_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(2)
    predicted, truth = rng.integers(0, 3, (2, 30, 40), dtype=np.uint8)
    confusion = Confusion(3)
    confusion.update(predicted, truth)
    rows = [torch.tensor(np.stack([(m == c).ravel() for c in range(3)]).astype(np.float64)) for m in (predicted, truth)]
    np.testing.assert_allclose(soft_dice(*rows, 0.0).numpy(), confusion.dice)
    np.testing.assert_allclose(mask_iou(*rows).numpy(), confusion.iou)
    np.testing.assert_allclose(confusion.dice, 2 * confusion.iou / (1 + confusion.iou))


def test_dice_of_classes_that_do_not_occur_does_not_count() -> None:
    _, target = example(THREE)
    target[target == 2] = 0
    sure = torch.nn.functional.one_hot(target, 3).permute(0, 3, 1, 2) * 50.0
    assert dice_loss(sure, target).item() == pytest.approx(0, abs=1e-6)
    false_alarms = torch.full((1, 1, 8, 8), 9.0)
    assert dice_loss(false_alarms, torch.zeros(1, 8, 8, dtype=torch.long)) > 0.9


def jaccard_loss(wrong: set[int], truth: list[int]) -> float:
    """1 - IoU of a prediction that errs on exactly the pixels ``wrong``."""
    true = {i for i, t in enumerate(truth) if t}
    predicted = true ^ wrong
    return 1 - len(true & predicted) / len(true | predicted) if true | predicted else 0.0


def brute_force_extension(errors: list[float], truth: list[int]) -> float:
    """Definition 1 of the paper, literally: sum of m_i (Delta({1..i}) - Delta({1..i-1})), worst pixel first."""
    order = sorted(range(len(errors)), key=lambda i: -errors[i])
    sets = [set(order[:i]) for i in range(len(order) + 1)]
    return sum(
        errors[order[i]] * (jaccard_loss(sets[i + 1], truth) - jaccard_loss(sets[i], truth)) for i in range(len(order))
    )


def test_the_lovasz_extension_is_its_definition() -> None:
    rng = np.random.default_rng(4)
    for truth in itertools.product((0, 1), repeat=6):
        errors = rng.random(6).tolist()
        found = extension(torch.tensor(errors, dtype=torch.double), torch.tensor(truth, dtype=torch.double))
        assert found.item() == pytest.approx(brute_force_extension(errors, list(truth))), truth


def test_lovasz_softmax_of_masks_is_one_minus_mean_iou() -> None:
    rng = np.random.default_rng(6)
    predicted, truth = rng.integers(0, 3, (2, 20, 30), dtype=np.uint8)
    confusion = Confusion(3)
    confusion.update(predicted, truth)
    logits = torch.nn.functional.one_hot(torch.tensor(predicted).long(), 3).permute(2, 0, 1)[None] * 1e4
    assert lovasz_softmax(logits, torch.tensor(truth).long()[None]).item() == pytest.approx(1 - confusion.mean_iou)


def test_lovasz_hinge_by_hand() -> None:
    # margins 2, -1, 0.5 for truth 1, 1, 0: hinge errors 0, 2, 1.5 (logit 0.5 where 0 is true)
    # worst first: pixel 1 (1 - 1/2), then pixel 2 (1 - 1/3), then pixel 0 (1 - 0)
    logits, target = torch.tensor([[[[2.0, -1.0, 0.5]]]]), torch.tensor([[[1, 1, 0]]])
    expected = 2 * 0.5 + 1.5 * (2 / 3 - 1 / 2) + 0
    assert lovasz(logits, target).item() == pytest.approx(expected)
