"""Lovasz losses: convex surrogates of IoU (Berman et al. 2018, arXiv:1705.08790).

Sorting all pixels of a batch makes them slow beside cross-entropy; they are meant as a second term
(``ce+lovasz``) or for the last epochs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edgeseg.training.losses.losses import VOID, probabilities_and_truth


def lovasz(logits: Tensor, target: Tensor, boundary: Tensor | None = None) -> Tensor:
    """Compute the Lovasz hinge for one logit, Lovasz-softmax over the classes that occur for more.

    All images of the batch count as one. Boundary weights are not used.
    """
    return lovasz_hinge(logits, target) if logits.shape[1] == 1 else lovasz_softmax(logits, target)


def lovasz_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the mean over the occurring classes of the Lovasz extension of 1 - IoU at the errors ``|y - p|``."""
    probabilities, truth = probabilities_and_truth(logits, target)
    occurring = truth.any(1)
    errors = (truth - probabilities).abs()[occurring]
    losses = [extension(e, t) for e, t in zip(errors, truth[occurring], strict=True)]
    return torch.stack(losses).mean() if losses else 0 * logits.sum()


def lovasz_hinge(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the Lovasz extension of the foreground's 1 - IoU at the hinge errors ``max(0, 1 - z (2y - 1))``."""
    known = target != VOID
    truth = (target[known] == 1).to(logits.dtype)
    margins = logits[:, 0][known] * (2 * truth - 1)
    return extension(torch.relu(1 - margins), truth)


def extension(errors: Tensor, truth: Tensor) -> Tensor:
    """Compute the Lovasz extension of the Jaccard loss at ``errors``.

    Args:
        errors: (P,) at least 0.
        truth: (P,) 0 or 1.
    """
    errors, order = errors.sort(descending=True)
    return errors @ _increments(truth[order])


def _increments(truth: Tensor) -> Tensor:
    """How much 1 - IoU grows with each further wrong pixel, worst first (the paper's algorithm 1)."""
    total = truth.sum()
    shared = total - truth.cumsum(0)
    union = total + (1 - truth).cumsum(0)
    losses = 1 - shared / union
    return torch.cat([losses[:1], losses.diff()])
