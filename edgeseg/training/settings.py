"""What a training run is told."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.errors import UserError


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a run; the defaults suit a few hundred images on two CPU cores.

    Attributes:
        out: folder for checkpoints, curves and logs.
        model, options: registry name and its options.
        epochs: passes over the training images.
        batch: images a step and process.
        crop: (height, width) of training crops; None takes the network's input size.
        lr: peak learning rate of the one-cycle schedule.
        weight_decay: AdamW's, on convolution weights only.
        warmup: share of the steps on which the learning rate rises.
        class_weights: ``balanced`` or ``none``.
        ema: decay of the weight average, 0 switches it off.
        amp: ``auto`` (bf16 where the device computes in it), ``no``, ``bf16`` or ``fp16``.
        device: ``auto`` or ``cpu``.
        workers: loader processes; 0 loads in the training process.
        val_every: epochs between validations; the last epoch is always validated.
        seed: of weights, order and augmentation.
    """

    out: Path
    model: str = "unet"
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 60
    batch: int = 8
    crop: tuple[int, int] | None = None
    lr: float = 2e-3
    weight_decay: float = 0.02
    warmup: float = 0.1
    class_weights: str = "balanced"
    ema: float = 0.998
    amp: str = "auto"
    device: str = "auto"
    workers: int = 0
    val_every: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "val_every"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name.replace('_', '-')} must be at least 1; found {getattr(self, name)}.")
        if not 0 < self.lr < 10:
            raise UserError(f"--lr must be between 0 and 10; found {self.lr}.")
        if not 0 <= self.ema < 1:
            raise UserError(f"--ema must be at least 0 and under 1; found {self.ema}.")

    def identity(self) -> dict[str, Any]:
        """What must agree between a run and its resumption, as plain values."""
        values = dataclasses.asdict(self)
        for name in ("out", "device", "workers", "val_every"):
            del values[name]
        return {**values, "crop": list(self.crop) if self.crop else None}
