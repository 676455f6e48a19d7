"""Exponential moving average of the weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Ema:
    """Keeps an averaged copy of a model, batch statistics included.

    The decay grows from 0 towards ``decay`` as ``(1 + steps) / (10 + steps)``, so that early
    averages do not remember the random start (as TensorFlow's ExponentialMovingAverage does).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``, in the first steps further than by the decay."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        new = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.dtype.is_floating_point:
                average.lerp_(new[name].to(average.dtype), 1 - keep)
            else:
                average.copy_(new[name])
