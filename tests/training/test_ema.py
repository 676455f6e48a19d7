"""The moving average of the weights, reckoned by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgeseg.training.ema import Ema


def one_weight(value: float) -> nn.Linear:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def averages(ema: Ema, model: nn.Linear, values: list[float]) -> list[float]:
    found = []
    for value in values:
        nn.init.constant_(model.weight, value)
        ema.update(model)
        found.append(float(ema.model.weight))
    return found


def test_early_averages_forget_the_start_faster_than_the_decay_says() -> None:
    """2/11 of 11 and 9/11 of 0 are 2; then 3/12 of 2 and 9/12 of 6 are 5; then 4/13 of 5 and 9/13 of 18 are 14."""
    model = one_weight(11.0)
    found = averages(Ema(model, 0.998), model, [0.0, 6.0, 18.0])
    assert found == pytest.approx([2.0, 5.0, 14.0])


def test_the_decay_is_the_most_that_is_kept() -> None:
    """2/11 is over 0.1, so that a tenth is kept: 10 becomes 1, then 0.1 * 1 + 0.9 * 2 = 1.9."""
    model = one_weight(10.0)
    assert averages(Ema(model, 0.1), model, [0.0, 2.0]) == pytest.approx([1.0, 1.9])


def test_after_many_steps_half_of_a_jump_is_seen_when_the_decay_says_so() -> None:
    """0.998 ** 346 = 0.5; the warm-up is over by step 4490, where 1 + n = 0.998 (10 + n)."""
    model = one_weight(0.0)
    ema = Ema(model, 0.998)
    ema.steps = 4490
    assert averages(ema, model, [1.0] * 346)[-1] == pytest.approx(0.5, abs=1e-3)


def test_decay_zero_keeps_nothing() -> None:
    model = one_weight(3.0)
    assert averages(Ema(model, 0.0), model, [5.0, -1.0]) == [5.0, -1.0]


def test_batch_statistics_are_averaged_and_counters_copied() -> None:
    model = nn.BatchNorm2d(1)
    ema = Ema(model, 0.998)
    model.running_mean.fill_(11.0)
    model.num_batches_tracked.fill_(7)
    ema.update(model)
    assert float(ema.model.running_mean) == pytest.approx(9.0)  # 9/11 of the new 11, and the old was 0
    assert int(ema.model.num_batches_tracked) == 7


def test_the_average_is_a_copy_in_eval_mode_without_gradients() -> None:
    model = one_weight(1.0).train()
    ema = Ema(model, 0.9)
    model.weight.data.fill_(2.0)
    assert float(ema.model.weight) == 1.0
    assert not ema.model.training
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
    assert torch.is_grad_enabled()
