"""The training loop: Accelerate drives the devices, everything else is here in the open."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from edgeseg.dataset import Dataset
from edgeseg.errors import CheckpointError, DataError, UserError
from edgeseg.metrics import Confusion
from edgeseg.models.registry import build_model, count_weights
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import read_checkpoint, save_checkpoint
from edgeseg.training.ema import Ema
from edgeseg.training.folder import EpochSampler, FolderDataset, count_pixels
from edgeseg.training.losses import make_loss
from edgeseg.training.precision import mixed_precision
from edgeseg.training.reports import Row, write_csv, write_curves, write_samples
from edgeseg.training.settings import TrainSettings
from edgeseg.training.validation import Validator

MAX_GRADIENT_NORM = 5.0
SAMPLES_DRAWN = 4


@dataclass(frozen=True)
class TrainResult:
    """Where the checkpoints are, the best val mIoU (0..1) and the number of weights."""

    best: Path
    last: Path
    miou: float
    weights: int


def train(data: Dataset, spec: ModelSpec, settings: TrainSettings, resume: Path | None = None) -> TrainResult:
    """Train a network; leave ``best.pt``, ``last.pt``, ``results.csv`` and pictures in ``settings.out``.

    Args:
        data: labelled folder with the splits ``train`` and ``val``.
        spec: the contract of the network to be.
        settings: how.
        resume: a ``last.pt`` to go on from, bit for bit.

    Raises:
        DataError: unreadable or contradicting images and masks; a loss that is no number.
        CheckpointError: ``resume`` is no checkpoint or belongs to another run.
        OutputError: ``settings.out`` cannot be written.
    """
    return Trainer(data, spec, settings).run(resume)


class Trainer:
    """One run: what lives from epoch to epoch."""

    def __init__(self, data: Dataset, spec: ModelSpec, settings: TrainSettings) -> None:
        set_seed(settings.seed)
        self.spec, self.settings = spec, settings
        AcceleratorState._reset_state()
        precision = mixed_precision(settings.amp, settings.device)
        self.accelerator = Accelerator(cpu=settings.device == "cpu", mixed_precision=precision)
        self.train_set = FolderDataset(
            data, "train", spec, settings.crop or (spec.height, spec.width), seed=settings.seed
        )
        self.val_set = FolderDataset(data, "val", spec)
        self.validator = Validator(self.val_set, self.accelerator)
        self.rows: list[Row] = []
        self._prepare(self._count_classes())

    def _count_classes(self) -> Tensor:
        """Read everything once: bad files show now, not after an hour."""
        val = self._bar(range(len(self.val_set)), "reading validation images")
        count_pixels(self.val_set, val)
        train = self._bar(range(len(self.train_set)), "reading training images")
        return count_pixels(self.train_set, train)

    def _prepare(self, pixels: Tensor) -> None:
        settings, count = self.settings, len(self.train_set)
        if count < settings.batch:
            raise UserError(f"--batch {settings.batch} is more than the {count} training images; choose a smaller one.")
        model = build_model(settings.model, self.spec, settings.options)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.weights = count_weights(model)
        self.sampler = EpochSampler(count, settings.seed)
        loader: DataLoader[Any] = DataLoader(
            self.train_set,
            settings.batch,
            sampler=self.sampler,
            drop_last=True,
            num_workers=settings.workers,
            persistent_workers=settings.workers > 0,
        )
        optimizer = torch.optim.AdamW(parameter_groups(model, settings.weight_decay), lr=settings.lr)
        self.model, self.optimizer, self.loader = self.accelerator.prepare(model, optimizer, loader)
        steps = len(self.loader) * settings.epochs + 1
        warmup = max(settings.warmup, 2 / steps)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, steps, pct_start=warmup)
        self.loss = make_loss(self.spec, pixels, settings.class_weights)
        self.ema = Ema(self._bare(), settings.ema)

    def run(self, resume: Path | None = None) -> TrainResult:
        start = self._restore(resume) if resume else 0
        if start >= self.settings.epochs:
            raise UserError(f"All {self.settings.epochs} epochs are already done; start a new run to train further.")
        for epoch in range(start, self.settings.epochs):
            self._epoch(epoch)
        out = self.settings.out
        return TrainResult(out / "best.pt", out / "last.pt", self._best(), self.weights)

    def _epoch(self, epoch: int) -> None:
        began = time.monotonic()
        loss = self._train(epoch)
        last = epoch + 1 == self.settings.epochs
        scored = last or (epoch + 1) % self.settings.val_every == 0
        confusion = self.validator.confusion(self._averaged()) if scored else None
        miou = confusion.mean_iou if confusion else math.nan
        improved = miou > self._best()
        rate = float(self.schedule.get_last_lr()[0])
        seconds = time.monotonic() - began
        self.rows.append({"epoch": epoch + 1, "lr": rate, "loss": loss, "miou": miou, "seconds": seconds})
        if self.accelerator.is_main_process:
            self._save(epoch, confusion, improved)
            self._report(scored)
            print(_line(self.rows[-1], self.settings.epochs, improved), flush=True)
        self.accelerator.wait_for_everyone()

    def _train(self, epoch: int) -> float:
        self.model.train()
        self.sampler.epoch = epoch
        total, steps = 0.0, len(self.loader)
        bar = self._bar(self.loader, f"epoch {epoch + 1}/{self.settings.epochs}", steps)
        for step, (images, target) in enumerate(bar):
            loss = self._step(images, target)
            if not math.isfinite(loss):
                raise DataError(
                    f"The loss became {loss} in epoch {epoch + 1}, batch {step + 1}. The checkpoint of the epoch "
                    f"before is kept in {self.settings.out}; lower --lr (now {self.settings.lr})."
                )
            total += loss
            bar.set_postfix(loss=f"{total / (step + 1):.3f}", miou=f"{max(self._best(), 0):.3f}")
        return total / steps

    def _step(self, images: Tensor, target: Tensor) -> float:
        logits = self.model(images.contiguous(memory_format=torch.channels_last))
        loss = self.loss(logits.float(), target)
        value = float(loss.detach())
        if math.isfinite(value):
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()
            self.ema.update(self._bare())
        return value

    def _bare(self) -> nn.Module:
        module: nn.Module = self.accelerator.unwrap_model(self.model)
        return module

    def _averaged(self) -> nn.Module:
        return self.ema.model if self.settings.ema else self._bare()

    def _best(self) -> float:
        return max((row["miou"] for row in self.rows if not math.isnan(row["miou"])), default=-1.0)

    def _save(self, epoch: int, confusion: Confusion | None, improved: bool) -> None:
        architecture = {"name": self.settings.model, "options": self.settings.options}
        facts = self._facts(epoch, confusion)
        state = self._averaged().state_dict()
        out = self.settings.out
        if improved:
            save_checkpoint(out / "best.pt", architecture, self.spec, state, facts)
        save_checkpoint(out / "last.pt", architecture, self.spec, state, facts, self._resume_state(epoch))

    def _facts(self, epoch: int, confusion: Confusion | None) -> dict[str, Any]:
        facts: dict[str, Any] = {"epoch": epoch + 1, "weights": self.weights, **self.settings.identity()}
        if confusion is not None:
            facts["val_miou"] = confusion.mean_iou
            facts["val_iou"] = dict(zip(self.spec.classes, confusion.iou.tolist(), strict=True))
        return facts

    def _report(self, scored: bool) -> None:
        out = self.settings.out
        write_csv(out / "results.csv", self.rows)
        if scored:
            write_curves(out / "curves.png", self.rows)
            write_samples(out / "val_batch.png", self.validator.samples(self._averaged(), SAMPLES_DRAWN), self.spec)

    def _resume_state(self, epoch: int) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        return {
            "epoch": epoch + 1,
            "identity": self.settings.identity(),
            "model": self._bare().state_dict(),
            "ema": {"state": self.ema.model.state_dict(), "steps": self.ema.steps},
            "optimizer": self.optimizer.state_dict(),
            "schedule": {k: v for k, v in self.schedule.state_dict().items() if not callable(v)},
            "scaler": scaler.state_dict() if scaler else None,
            "torch_rng": torch.get_rng_state(),
            "rows": self.rows,
        }

    def _restore(self, path: Path) -> int:
        state = read_checkpoint(path).get("resume")
        if state is None:
            raise CheckpointError(f"{path} holds no optimiser state; resume from a last.pt.")
        _check_same_run(state["identity"], self.settings.identity(), path)
        self._bare().load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"]["state"])
        self.ema.steps = state["ema"]["steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["torch_rng"])
        self.rows = list(state["rows"])
        return int(state["epoch"])

    def _bar(self, items: Iterable[Any], title: str, total: int | None = None) -> Any:
        disable = None if self.accelerator.is_local_main_process else True
        return tqdm(items, title, total=total, disable=disable, leave=False, dynamic_ncols=True)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW groups: weights of more than one dimension decay, biases and normalisation do not."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _check_same_run(found: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    for key in sorted(set(found) | set(wanted)):
        if found.get(key) != wanted.get(key):
            raise CheckpointError(
                f"{path} was trained with {key} {found.get(key)!r}, this run asks for {wanted.get(key)!r}. "
                "Resume with the same settings, or start a new run."
            )


def _line(row: Row, epochs: int, improved: bool) -> str:
    score = "" if math.isnan(row["miou"]) else f"  val mIoU {row['miou']:.4f}{' *' if improved else ''}"
    return f"epoch {row['epoch']:.0f}/{epochs}  loss {row['loss']:.4f}{score}  {row['seconds']:.1f} s"
