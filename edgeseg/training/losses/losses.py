"""Per-pixel losses over logits and integer masks, with void pixels left out.

Every loss of this room takes (N, K, H, W) logits, one channel for a binary task, and an (N, H, W)
int64 target; a target that is all void gives 0 with a gradient of 0. Their names and sums are in
``loss_registry.py``.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

VOID = 255
"""Mask value that no loss counts; every spec's ignore index is mapped to it on loading."""

FOCUS = 2.0
"""The focal loss's exponent, as in its paper."""


class Loss(Protocol):
    """A scalar from logits and target; ``boundary`` is an (N, H, W) weight added to each pixel's class weight."""

    def __call__(self, logits: Tensor, target: Tensor, boundary: Tensor | None = None) -> Tensor: ...


def class_weights(pixels: Tensor, mode: str) -> Tensor:
    """Compute weights a class from pixel counts, mean 1 over the classes that occur.

    Args:
        pixels: (K,) pixel counts of the training masks.
        mode: ``none``, or ``balanced``: ``1 / ln(1.02 + share)`` (ENet, arXiv:1606.02147).
    """
    if mode == "none":
        return torch.ones(len(pixels))
    share = pixels.double() / pixels.sum()
    weights = 1 / torch.log(1.02 + share)
    return (weights / weights[pixels > 0].mean()).float()


def cross_entropy(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, boundary: Tensor | None = None
) -> Tensor:
    """Compute the mean cross-entropy of (N, K, H, W) logits and an (N, H, W) int64 target without its void pixels.

    Class weights enter the sum and its divisor (torch's convention). Boundary weights are added to
    the class weights in the sum alone, so that they raise the loss of their pixels and leave the
    others' as it was.
    """
    losses = F.cross_entropy(logits, target, weights, ignore_index=VOID, reduction="sum")
    if boundary is not None:
        losses = losses + (boundary * pixel_losses(logits, target)).sum()
    known = target[target != VOID]
    scale = known.numel() if weights is None else weights[known].sum()
    return losses / torch.as_tensor(scale, dtype=logits.dtype, device=logits.device).clamp(min=1e-6)


def binary_cross_entropy(
    logits: Tensor, target: Tensor, positive_weight: Tensor | None = None, boundary: Tensor | None = None
) -> Tensor:
    """Compute the mean BCE of (N, 1, H, W) logits and an (N, H, W) 0/1 target without its void pixels."""
    known = target != VOID
    losses = F.binary_cross_entropy_with_logits(
        logits[:, 0], (target == 1).to(logits.dtype), pos_weight=positive_weight, reduction="none"
    )
    if boundary is not None:
        losses = losses + boundary * pixel_losses(logits, target)
    return (losses * known).sum() / known.sum().clamp(min=1)


def focal(
    logits: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    boundary: Tensor | None = None,
    focus: float = FOCUS,
) -> Tensor:
    """Compute focal loss (Lin et al. 2017, arXiv:1708.02002): each pixel's log loss times ``(1 - p)^focus``.

    ``p`` is the probability of the true class. With ``focus`` 0 it equals :func:`cross_entropy`
    or :func:`binary_cross_entropy`.

    Args:
        weights: (K,) class weights, (2,) for one logit, or None.
    """
    known = target != VOID
    losses = pixel_losses(logits, target)
    hard = (1 - torch.exp(-losses)) ** focus * losses
    if weights is None:
        weights = torch.ones(max(2, logits.shape[1]), dtype=logits.dtype, device=logits.device)
    per_pixel = weights[target.where(known, 0)] * known
    if logits.shape[1] == 1:
        per_pixel, scale = per_pixel / weights[0], known.sum().clamp(min=1)
    else:
        scale = per_pixel.sum().clamp(min=1e-6)
    if boundary is not None:
        per_pixel = per_pixel + boundary
    return (hard * per_pixel).sum() / scale


def pixel_losses(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the (N, H, W) unweighted log loss of each pixel, 0 where void."""
    if logits.shape[1] > 1:
        return F.cross_entropy(logits, target, ignore_index=VOID, reduction="none")
    truth = (target == 1).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits[:, 0], truth, reduction="none") * (target != VOID)


def probabilities_and_truth(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Compute probabilities and one-hot truth of the known pixels, both (classes, pixels).

    One logit gives one row, the foreground's.
    """
    known = (target != VOID).flatten()
    pixels = logits.movedim(1, 0).flatten(1)[:, known]
    labels = target.flatten()[known]
    if len(pixels) == 1:
        return torch.sigmoid(pixels), (labels == 1)[None].to(logits.dtype)
    return pixels.softmax(0), F.one_hot(labels, len(pixels)).T.to(logits.dtype)
