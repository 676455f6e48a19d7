"""What a training step minimises: the loss, with deep supervision and a teacher where there are any.

Deep supervision is a convention between networks and this module: in train mode a network's
``forward`` may return a tuple ``(logits, auxiliary, ...)`` in place of ``logits``. Auxiliaries are
(N, K, h, w) logits of the same classes, of any size; they are brought to the target's size
bilinearly, and each adds :data:`AUXILIARY_WEIGHT` times its loss. In eval mode it returns the
logits alone, so that validation, export and everything after them know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from edgeseg.training.distill import Teacher
from edgeseg.training.losses.losses import Loss

AUXILIARY_WEIGHT = 0.4
"""Of each auxiliary's loss (PSPNet, arXiv:1612.01105, found 0.4 best for its one)."""

Outputs = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class Objective:
    """The number whose gradient is followed."""

    loss: Loss
    teacher: Teacher | None = None

    def __call__(self, outputs: Outputs, images: Tensor, target: Tensor, boundary: Tensor | None = None) -> Tensor:
        """A scalar.

        Args:
            outputs: what the network returned in train mode, see this module's docstring.
            images: (N, C, H, W) network input, for the teacher.
            target: (N, H, W) int64.
            boundary: (N, H, W) boundary weights, or None.
        """
        logits, *auxiliaries = (outputs,) if isinstance(outputs, Tensor) else outputs
        logits = logits.float()
        loss = self.loss(logits, target, boundary)
        for auxiliary in auxiliaries:
            loss = loss + AUXILIARY_WEIGHT * self.loss(_resize_to(target, auxiliary), target, boundary)
        return loss if self.teacher is None else self.teacher.mix(loss, logits, images, target)


def _resize_to(target: Tensor, logits: Tensor) -> Tensor:
    logits, size = logits.float(), target.shape[-2:]
    if logits.shape[-2:] == size:
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)
