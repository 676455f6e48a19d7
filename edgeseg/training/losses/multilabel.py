"""Losses of independent sigmoids: each class of a multilabel task is a yes-or-no question of its own.

The target holds sets of classes (:mod:`edgeseg.multilabel`), bit k for class k, and 255 where it is void for all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeseg.training.losses.dice import soft_dice
from edgeseg.training.losses.losses import VOID, class_weights


def target_planes(target: Tensor, classes: int) -> Tensor:
    """Spread (N, H, W) int64 sets of classes to (N, K, H, W) bool."""
    bits = torch.arange(classes, device=target.device)[:, None, None]
    return (target[:, None] >> bits & 1).bool()


def positive_weights(pixels: Tensor, mode: str) -> Tensor:
    """Compute how much a class's shown pixels weigh against its others, (K,), as for a binary task.

    Args:
        pixels: (K, 2) counts of the training masks, not shown and shown.
        mode: see :func:`~edgeseg.training.losses.losses.class_weights`.
    """
    both = torch.stack([class_weights(counts.clamp(min=1), mode) for counts in pixels])
    return both[:, 1] / both[:, 0]


def multilabel_cross_entropy(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, boundary: Tensor | None = None
) -> Tensor:
    """Compute the mean BCE of (N, K, H, W) logits over all classes of the pixels that are not void.

    Args:
        logits: one a class.
        target: (N, H, W) int64 sets of classes.
        weights: (K,) of the shown pixels of each class, or None.
        boundary: not used; boundary weights keep objects of one class a pixel apart.
    """
    known = (target != VOID)[:, None]
    truth = target_planes(target, logits.shape[1]).to(logits.dtype)
    positive = None if weights is None else weights[:, None, None]
    losses = F.binary_cross_entropy_with_logits(logits, truth, pos_weight=positive, reduction="none")
    return (losses * known).sum() / (known.sum() * logits.shape[1]).clamp(min=1)


def multilabel_dice(logits: Tensor, target: Tensor, boundary: Tensor | None = None) -> Tensor:
    """Compute 1 - soft Dice of each class's own mask over the batch, averaged over the classes that occur in it."""
    known = (target != VOID).flatten()
    probabilities = torch.sigmoid(logits).movedim(1, 0).flatten(1)[:, known]
    truth = target_planes(target, logits.shape[1]).movedim(1, 0).flatten(1)[:, known]
    occurs = truth.any(1)
    losses = 1 - soft_dice(probabilities, truth.to(logits.dtype))
    return losses[occurs].sum() / occurs.sum().clamp(min=1)
