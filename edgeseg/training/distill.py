"""Knowledge distillation: a student also imitates a teacher's softened probabilities.

Hinton et al. 2015 (arXiv:1503.02531): the loss becomes ``(1 - weight) * loss + weight * T^2 *
KL(teacher / T || student / T)``, averaged over pixels. ``T^2`` keeps the size of the gradients
when the temperature changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import CheckpointError
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model
from edgeseg.training.losses.losses import VOID
from edgeseg.training.settings import Distillation

MUST_AGREE = ("task", "classes", "height", "width", "color_order", "mean", "std", "resize")


def distillation_loss(student: Tensor, teacher: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Compute the mean over the known pixels of ``T^2 KL(teacher / T || student / T)``.

    Args:
        student, teacher: (N, K, H, W) logits; one channel means a foreground logit.
        target: (N, H, W) int64; only where it is void matters.
        temperature: over 0; 1 leaves the probabilities as they are.
    """
    known = target != VOID
    wanted, found = (_log_probabilities(logits / temperature) for logits in (teacher, student))
    divergence = F.kl_div(found, wanted, reduction="none", log_target=True).sum(1)
    return temperature**2 * (divergence * known).sum() / known.sum().clamp(min=1)


def _log_probabilities(logits: Tensor) -> Tensor:
    if logits.shape[1] > 1:
        return logits.log_softmax(1)
    return F.logsigmoid(torch.cat([-logits, logits], 1))


@dataclass(frozen=True)
class Teacher:
    """A trained network that says what it sees; never trained itself.

    Attributes:
        model: in eval mode.
        settings: how much it counts.
        independent: each of its classes is a question of its own (multilabel).
    """

    model: nn.Module
    settings: Distillation
    independent: bool = False

    @classmethod
    def load(cls, settings: Distillation, spec: ModelSpec) -> Teacher:
        """Read the teacher's checkpoint.

        Raises:
            CheckpointError: no checkpoint, or it has another contract than the student.
        """
        loaded = load_model(settings.teacher)
        for name in MUST_AGREE:
            theirs, ours = getattr(loaded.spec, name), getattr(spec, name)
            if theirs != ours:
                raise CheckpointError(
                    f"The teacher {settings.teacher} has {name} {theirs!r}, this run {ours!r}. "
                    "A teacher must see the same images and know the same classes; train one with these settings."
                )
        model = loaded.model.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(model, settings, spec.task == "multilabel")

    def mix(self, loss: Tensor, student: Tensor, images: Tensor, target: Tensor) -> Tensor:
        """Mix the imitation of this teacher into the student's ``loss``."""
        with torch.no_grad():
            wanted = self.model(images).float()
        parts = [(student, wanted)]
        if self.independent:
            parts = [(student[:, k : k + 1], wanted[:, k : k + 1]) for k in range(student.shape[1])]
        losses = [distillation_loss(ours, theirs, target, self.settings.temperature) for ours, theirs in parts]
        imitation = torch.stack(losses).mean()
        return (1 - self.settings.weight) * loss + self.settings.weight * imitation
