"""Losses over logits and integer masks, with void pixels left out."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeseg.spec import ModelSpec

VOID = 255
"""Mask value that no loss counts; every spec's ignore index is mapped to it on loading."""

Loss = Callable[[Tensor, Tensor], Tensor]


def class_weights(pixels: Tensor, mode: str) -> Tensor:
    """Weights a class from pixel counts, mean 1 over the classes that occur.

    Args:
        pixels: (K,) pixel counts of the training masks.
        mode: ``none``, or ``balanced``: ``1 / ln(1.02 + share)`` (ENet, arXiv:1606.02147).
    """
    if mode == "none":
        return torch.ones(len(pixels))
    share = pixels.double() / pixels.sum()
    weights = 1 / torch.log(1.02 + share)
    return (weights / weights[pixels > 0].mean()).float()


def make_loss(spec: ModelSpec, pixels: Tensor, mode: str) -> Loss:
    """The loss of a task: weighted cross-entropy, or BCE with logits for a binary task.

    Args:
        spec: gives the task.
        pixels: (K,) pixel counts of the training masks, for the weights.
        mode: see :func:`class_weights`.
    """
    weights = class_weights(pixels, mode)
    if spec.task == "binary":
        ratio = weights[1] / weights[0]
        return lambda logits, target: binary_cross_entropy(logits, target, ratio.to(logits.device))
    return lambda logits, target: cross_entropy(logits, target, weights.to(logits.device))


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of (N, K, H, W) logits and an (N, H, W) int64 target without its void pixels.

    A target that is all void gives 0, with a gradient of 0.
    """
    losses = F.cross_entropy(logits, target, weights, ignore_index=VOID, reduction="sum")
    known = target[target != VOID]
    scale = known.numel() if weights is None else weights[known].sum()
    return losses / torch.as_tensor(scale, dtype=logits.dtype, device=logits.device).clamp(min=1e-6)


def binary_cross_entropy(logits: Tensor, target: Tensor, positive_weight: Tensor | None = None) -> Tensor:
    """Mean BCE of (N, 1, H, W) logits and an (N, H, W) 0/1 target without its void pixels."""
    known = target != VOID
    losses = F.binary_cross_entropy_with_logits(
        logits[:, 0], (target == 1).to(logits.dtype), pos_weight=positive_weight, reduction="none"
    )
    return (losses * known).sum() / known.sum().clamp(min=1)
