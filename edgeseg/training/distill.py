"""Knowledge distillation: a student also imitates a teacher's softened probabilities.

Hinton et al. 2015 (arXiv:1503.02531): the loss becomes ``(1 - weight) * loss + weight * T^2 *
KL(teacher / T || student / T)``, averaged over pixels. ``T^2`` keeps the size of the gradients
when the temperature changes.

A teacher is a checkpoint of the student's own input, or any artifact of its classes: that one sees the pictures at its
own size, prepared in its own way, and says how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, CheckpointError
from edgeseg.image import UInt8, normalisation
from edgeseg.runtime.engines.engine import CONFIDENCE
from edgeseg.runtime.engines.logits import gives_logits_alone
from edgeseg.runtime.engines.predictor import Examined, Predictor, open_predictor
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model
from edgeseg.training.losses.losses import VOID
from edgeseg.training.settings import Distillation

MUST_AGREE = ("task", "classes", "height", "width", "color_order", "mean", "std", "resize")
"""Between a checkpoint and its student, who share each tensor."""
ARTIFACT_MUST_AGREE = ("task", "classes")
CHECKPOINT_SUFFIXES = (".pt", ".pth")
SUREST = 1 - 1 / 510
"""What a confidence of 255 stands for: the eight bits of an artifact tell no more."""


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
        """Read the teacher: a checkpoint, an artifact, or a network of the zoo.

        Raises:
            CheckpointError: a checkpoint that cannot be read, or a teacher that knows other classes, or a checkpoint
                with another input than the student.
            ArtifactError: no artifact, or one that does not say how sure it is.
            EnvironmentFault: the artifact's engine is not installed, or refuses it.
        """
        if settings.teacher.suffix not in CHECKPOINT_SUFFIXES or settings.teacher.is_dir():
            artifact = _open_teacher(settings, spec)
            network = ArtifactNetwork(open_predictor(artifact), spec)
            return cls(network.eval(), settings, spec.task == "multilabel")
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


class ArtifactNetwork(nn.Module):
    """An artifact in the place of a network: from normalised pictures of a student to logits at their size.

    Args:
        predict: the artifact, open; sees each picture as an image of its own.
        student: how the pictures were normalised.
    """

    def __init__(self, predict: Predictor, student: ModelSpec) -> None:
        super().__init__()
        self._predict, self._student = predict, student

    def forward(self, images: Tensor) -> Tensor:
        """Run (N, C, H, W) pictures one by one; (N, K, H, W) float32 logits, one channel for a binary task."""
        seen = (
            self._predict.examine(restore_image(one, self._student)) for one in images.detach().cpu().float().numpy()
        )
        wanted = np.stack([guess_logits(said, self._predict.spec) for said in seen])
        return torch.from_numpy(wanted).to(images.device)


def restore_image(planes: np.ndarray, spec: ModelSpec) -> UInt8:
    """Turn network values back into an HWC uint8 image, BGR or grey: what :func:`edgeseg.image.normalise` was given.

    >>> from edgeseg.image import normalise
    >>> spec, image = ModelSpec("binary", ("a", "b"), 8, 8), np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    >>> bool((restore_image(normalise(image, spec), spec) == image).all())
    True
    """
    scale, shift = normalisation(spec)
    pixels = (planes - shift[:, None, None]) / scale[:, None, None]
    if spec.color_order == "rgb":
        pixels = pixels[::-1]
    return np.ascontiguousarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(1, 2, 0))


def guess_logits(said: Examined, spec: ModelSpec) -> np.ndarray:
    """Find logits whose probabilities are those that an artifact told.

    A multiclass artifact tells the probability of its first choice alone; the others share what is left.

    Args:
        said: labels and confidence of an image.
        spec: of the artifact.

    Returns:
        KHW float32.
    """
    assert said.confidence is not None
    told = np.clip(said.confidence.astype(np.float32) / 255, 1 - SUREST, SUREST)
    if spec.task != "multiclass":
        logits = np.log(told / (1 - told))
        return np.asarray(logits[None] if logits.ndim == 2 else logits, np.float32)
    first = np.arange(spec.num_classes)[:, None, None] == said.plain
    told = np.maximum(told, 1 / spec.num_classes)
    return np.asarray(np.where(first, np.log(told), np.log((1 - told) / (spec.num_classes - 1))), np.float32)


def _open_teacher(settings: Distillation, spec: ModelSpec) -> Artifact:
    artifact = Artifact.open(settings.teacher)
    for name in ARTIFACT_MUST_AGREE:
        theirs, ours = getattr(artifact.spec, name), getattr(spec, name)
        if theirs != ours:
            raise CheckpointError(
                f"The teacher {settings.teacher} has {name} {theirs!r}, this run {ours!r}. "
                "A teacher must know the same classes in the same order."
            )
    if CONFIDENCE not in artifact.outputs and not gives_logits_alone(artifact):
        raise ArtifactError(
            f"The teacher {settings.teacher} does not say how sure it is (its outputs are "
            f"{', '.join(artifact.outputs)}). Export it again with `outputs=('labels', 'confidence')`."
        )
    return artifact
