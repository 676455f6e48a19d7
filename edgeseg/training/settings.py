"""What a training run is told."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.errors import UserError
from edgeseg.training.data.augment import AUGMENTATIONS
from edgeseg.training.data.boundary_weights import BoundaryWeights

PRETRAINED_ENCODER_LR = 0.3


@dataclass(frozen=True)
class Distillation:
    """Whom to imitate, and how much (``distill.py``).

    Attributes:
        teacher: a checkpoint of edgeseg train, an artifact, or the name of a network of the zoo.
        weight: the imitation's share of the loss, over 0 and at most 1.
        temperature: softens both networks' probabilities; 1 leaves them as they are.

    Raises:
        UserError: a weight or temperature out of range.
    """

    teacher: Path
    weight: float = 0.5
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise UserError(f"`Distillation.weight` must be over 0 and at most 1; found {self.weight:g}.")
        if not 0 < self.temperature <= 100:
            raise UserError(f"`Distillation.temperature` must be over 0 and at most 100; found {self.temperature:g}.")


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a run; the defaults suit a few hundred images on two CPU cores.

    Attributes:
        out: folder for checkpoints, curves and logs.
        model, options: registry name and its options.
        start_from: a checkpoint of the same network to start from, or None.
        qat: compute as the INT8 export will (``fake_quant.py``); takes a :attr:`start_from`.
        pretrained: start from published encoder weights; checkpoints hold them, loading needs no package.
        encoder_lr: the encoder's share of the learning rate; None takes 0.3 when pretrained, else 1.
        epochs: passes over the training images.
        batch: images a step and process.
        crop: (height, width) of training crops; None takes the network's input size.
        scale: (smallest, largest) size of what crops show, relative to the network's input.
        augment: ``light``, or ``strong``: other light, weather and cameras than the pictures' own.
        lr: peak learning rate of the one-cycle schedule.
        weight_decay: AdamW's, on convolution weights only.
        warmup: share of the steps on which the learning rate rises.
        class_weights: ``balanced`` or ``none``.
        loss: a name or sum of names in ``loss_registry.py``; None is cross-entropy, of one logit for a binary task.
        boundary: U-Net's weights between touching objects, or None.
        distill: a teacher to imitate, or None.
        unlabelled: a folder of pictures that the teacher labels (``data/pseudo_labels.py``), or None.
        pseudo_confidence: how sure it must be, 0..1.
        ema: decay of the weight average, 0 switches it off.
        amp: ``auto`` (bf16 where the device computes in it), ``no``, ``bf16`` or ``fp16``.
        device: ``auto`` or ``cpu``.
        workers: loader processes; 0 loads in the training process.
        val_every: epochs between validations; the last epoch is always validated.
        budget_s: a time to fill; :attr:`epochs` and :attr:`val_every` are then found by timing a few steps, or None.
        sparse: save and report epochs that are validated, and others once a minute; False: every epoch.
        seed: of weights, order and augmentation.
    """

    out: Path
    model: str = "unet"
    options: dict[str, Any] = field(default_factory=dict)
    start_from: Path | None = None
    qat: bool = False
    pretrained: bool = False
    encoder_lr: float | None = None
    epochs: int = 60
    batch: int = 8
    crop: tuple[int, int] | None = None
    scale: tuple[float, float] = (0.75, 2.0)
    augment: str = "light"
    lr: float = 2e-3
    weight_decay: float = 0.02
    warmup: float = 0.1
    class_weights: str = "balanced"
    loss: str | None = None
    boundary: BoundaryWeights | None = None
    distill: Distillation | None = None
    unlabelled: Path | None = None
    pseudo_confidence: float = 0.9
    ema: float = 0.998
    amp: str = "auto"
    device: str = "auto"
    workers: int = 0
    val_every: int = 1
    budget_s: float | None = None
    sparse: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "val_every"):
            if getattr(self, name) < 1:
                raise UserError(f"`{name}` must be at least 1; found {getattr(self, name)}.")
        low, high = self.scale
        if not 0.1 <= low <= high <= 10:
            raise UserError(f"`scale` takes MIN and MAX from 0.1 to 10, MIN not over MAX; found {low:g} {high:g}.")
        if self.augment not in AUGMENTATIONS:
            raise UserError(f"`augment` is {' or '.join(AUGMENTATIONS)}; found {self.augment!r}.")
        if not 0 < self.lr < 10:
            raise UserError(f"`lr` must be between 0 and 10; found {self.lr}.")
        if self.unlabelled is not None and self.distill is None:
            raise UserError("`unlabelled` pictures are labelled by a `teacher`, which is missing.")
        if not 0 <= self.pseudo_confidence < 1:
            raise UserError(f"`pseudo_confidence` must be at least 0 and under 1; found {self.pseudo_confidence:g}.")
        if not 0 <= self.ema < 1:
            raise UserError(f"`ema` must be at least 0 and under 1; found {self.ema}.")
        if self.qat and self.start_from is None:
            raise UserError("`qat=True` tunes a trained network; give its checkpoint: `weights='best.pt', qat=True`.")
        if not 0 < self.encoder_share <= 1:
            raise UserError(f"`encoder_lr` must be over 0 and at most 1; found {self.encoder_lr}.")

    @property
    def encoder_share(self) -> float:
        """:attr:`encoder_lr`, or its default."""
        if self.encoder_lr is not None:
            return self.encoder_lr
        return PRETRAINED_ENCODER_LR if self.pretrained else 1.0

    def identity(self) -> dict[str, Any]:
        """Return what must agree between a run and its resumption, as plain values."""
        values = dataclasses.asdict(self)
        for name in ("out", "device", "workers", "val_every", "budget_s", "sparse"):
            del values[name]
        values["scale"] = list(self.scale)
        values["start_from"] = str(self.start_from) if self.start_from else None
        values["unlabelled"] = str(self.unlabelled) if self.unlabelled else None
        if self.distill:
            values["distill"]["teacher"] = str(self.distill.teacher)
        return {**values, "encoder_lr": self.encoder_share, "crop": list(self.crop) if self.crop else None}
