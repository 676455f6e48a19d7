"""The network in training, and all that moves its weights: gradients, optimiser, learning rate, average."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from edgeseg.errors import UserError
from edgeseg.training.data.folder import EpochSampler, FolderDataset
from edgeseg.training.distill import Teacher
from edgeseg.training.ema import Ema
from edgeseg.training.losses.losses import Loss
from edgeseg.training.memory import advice, fitting_batch, ran_out_of_memory
from edgeseg.training.objective import Objective
from edgeseg.training.precision import DepthwiseGradientsInFloat
from edgeseg.training.settings import TrainSettings
from edgeseg.training.start import deploy

MAX_GRADIENT_NORM = 5.0


class Learner:
    """A network and what changes with each of its steps.

    Args:
        model: the network, in train mode.
        images: what it is trained on.
        loss: what a step minimises.
        teacher: a network to imitate, or None.
        settings: how.
        accelerator: drives the devices.
    """

    def __init__(
        self,
        model: nn.Module,
        images: FolderDataset,
        loss: Loss,
        teacher: Teacher | None,
        settings: TrainSettings,
        accelerator: Accelerator,
    ) -> None:
        self._settings, self._accelerator = settings, accelerator
        self.sampler = EpochSampler(len(images), settings.seed)
        loader = make_loader(images, self.sampler, settings)
        self._adamw = torch.optim.AdamW(parameter_groups(deploy(model), settings))
        self._rates = [group["lr"] for group in self._adamw.param_groups]
        self.model, self.optimizer, self.loader = accelerator.prepare(model, self._adamw, loader)
        self.plan(settings.epochs)
        if teacher:
            prepared = accelerator.prepare_model(teacher.model, evaluation_mode=True)
            teacher = dataclasses.replace(teacher, model=prepared)
        self.objective = Objective(loss, teacher)
        self.ema = Ema(self.bare, settings.ema)

    def plan(self, epochs: int) -> None:
        """Spread one cycle of the learning rate over a run."""
        self.steps = len(self.loader) * epochs
        count = self.steps + 1
        warmup = max(self._settings.warmup, 2 / count)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self._adamw, self._rates, count, pct_start=warmup)

    @property
    def bare(self) -> nn.Module:
        """The network without what the accelerator puts around it."""
        module: nn.Module = self._accelerator.unwrap_model(self.model)
        return module

    @property
    def average(self) -> nn.Module:
        """The network that is scored and kept: the average of the weights, where there is one."""
        return self.ema.model if self._settings.ema else self.bare

    @property
    def rate(self) -> float:
        """The learning rate now; where there are several, the highest."""
        return float(max(self.schedule.get_last_lr()))

    def step_or_advise(self, batch: Sequence[Tensor]) -> float:
        """Take a step; where memory does not suffice, the batch that would have fit is found and named.

        Raises:
            UserError: memory does not suffice.
        """
        try:
            return self.step(batch)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
        # Outside the handler: the exception's traceback kept the activations of the failed step alive.
        size = self._settings.batch
        alone = self._accelerator.num_processes == 1  # others would wait for this process's gradients
        fits = fitting_batch(lambda count: self._try(batch, count), size) if alone else size // 2
        raise UserError(advice(size, fits, (batch[0].shape[-2], batch[0].shape[-1])))

    def step(self, batch: Sequence[Tensor]) -> float:
        """Take a step and return its loss; one that is no number changes no weight.

        Args:
            batch: (N, C, H, W) images, (N, H, W) int64 target, and (N, H, W) boundary weights where there are any.
        """
        loss = self._loss(batch)
        value = float(loss.detach())
        if math.isfinite(value):
            self._accelerator.backward(loss)
            self._accelerator.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()
            self.ema.update(self.bare)
        return value

    def _try(self, batch: Sequence[Tensor], count: int) -> None:
        self.optimizer.zero_grad()
        self._accelerator.backward(self._loss([part[:count] for part in batch]))

    def _loss(self, batch: Sequence[Tensor]) -> Tensor:
        images, *truth = batch
        images = images.contiguous(memory_format=torch.channels_last)
        with DepthwiseGradientsInFloat():
            outputs = self.model(images)
        return self.objective(outputs, images, *truth)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on, random numbers included."""
        scaler = self._accelerator.scaler
        return {
            "model": self.bare.state_dict(),
            "ema": {"state": self.ema.model.state_dict(), "steps": self.ema.steps},
            "optimizer": self.optimizer.state_dict(),
            "schedule": {k: v for k, v in self.schedule.state_dict().items() if not callable(v)},
            "scaler": scaler.state_dict() if scaler else None,
            "torch_rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state that :meth:`state_dict` gave."""
        self.bare.load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"]["state"])
        self.ema.steps = state["ema"]["steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self._accelerator.scaler and state["scaler"]:
            self._accelerator.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["torch_rng"])


def make_loader(images: FolderDataset, sampler: EpochSampler, settings: TrainSettings) -> DataLoader[Any]:
    """Load whole batches in the order of a sampler."""
    return DataLoader(
        images,
        settings.batch,
        sampler=sampler,
        drop_last=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
    )


def parameter_groups(model: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Group weights for AdamW: those of more than one dimension decay, biases and normalisation do not.

    Where the encoder learns at another rate than the rest, each of the two groups is split.
    """
    shares = {"": 1.0} if settings.encoder_share == 1 else {"encoder.": settings.encoder_share, "": 1.0}
    groups: list[dict[str, Any]] = []
    left = dict(model.named_parameters())
    for prefix, share in shares.items():
        taken = [left.pop(name) for name in list(left) if name.startswith(prefix)]
        same = {"lr": settings.lr * share}
        groups.append({"params": [p for p in taken if p.ndim > 1], "weight_decay": settings.weight_decay, **same})
        groups.append({"params": [p for p in taken if p.ndim <= 1], "weight_decay": 0.0, **same})
    return groups
