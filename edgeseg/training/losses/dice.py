"""Dice as a loss, and how it differs from IoU.

For two masks A (predicted) and B (true)::

    Dice = 2 |A n B| / (|A| + |B|)        IoU = |A n B| / |A u B|        Dice = 2 IoU / (1 + IoU)

On masks they rank predictions alike; Dice is never smaller. The difference in use: a mask is made
by a threshold, which has no gradient. Training therefore uses *soft* Dice, where A is the map of
probabilities and ``|A n B|`` the sum of ``p y``. Reported is IoU, on masks after the threshold
(``edgeseg.metrics.confusion.Confusion``), because it is what is deployed: a prediction of 0.51 everywhere in
the object has a soft Dice of 0.68 and an IoU of 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edgeseg.training.losses.losses import probabilities_and_truth

SMOOTH = 1.0
"""Pixels added to both sides of the fraction, so that empty against empty is 1 and not 0/0."""


def soft_dice(probabilities: Tensor, truth: Tensor, smooth: float = SMOOTH) -> Tensor:
    """Compute soft Dice (Milletari et al. 2016, arXiv:1606.04797, without squares) of each row.

    Args:
        probabilities: (classes, pixels) in 0..1.
        truth: (classes, pixels), 0 or 1.
        smooth: pixels added above and below.

    Returns:
        (classes,) in 0..1.
    """
    shared = (probabilities * truth).sum(1)
    return (2 * shared + smooth) / (probabilities.sum(1) + truth.sum(1) + smooth)


def mask_iou(probabilities: Tensor, truth: Tensor, threshold: float = 0.5) -> Tensor:
    """Compute IoU of each row's mask ``probabilities >= threshold``; NaN where mask and truth are empty.

    Args:
        probabilities: (classes, pixels) in 0..1.
        truth: (classes, pixels), 0 or 1.
    """
    mask, true = probabilities >= threshold, truth > 0
    return (mask & true).sum(1) / (mask | true).sum(1)


def dice_loss(logits: Tensor, target: Tensor, boundary: Tensor | None = None) -> Tensor:
    """Compute 1 - soft Dice over the batch, averaged over the classes that occur in the target.

    Counted over the whole batch, not image by image, so that small objects weigh by their pixels.
    A binary task has one class, the foreground, which counts even where the target has none of it.
    Boundary weights do not apply to sums over regions and are not used.
    """
    probabilities, truth = probabilities_and_truth(logits, target)
    losses = 1 - soft_dice(probabilities, truth)
    occurs = truth.any(1) if len(truth) > 1 else torch.ones_like(losses, dtype=torch.bool)
    return losses[occurs].sum() / occurs.sum().clamp(min=1)
