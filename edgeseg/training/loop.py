"""The training loop: Accelerate drives the devices, everything else is here in the open."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate
from tqdm import tqdm

from edgeseg.console.terminal import complain, say
from edgeseg.dataset import Dataset
from edgeseg.errors import CheckpointError, DataError, UserError
from edgeseg.metrics.confusion import Confusion
from edgeseg.models.registry import count_weights
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import read_checkpoint, save_checkpoint
from edgeseg.training.data.augment import Augmentation
from edgeseg.training.data.boundary_weights import BoundaryWeights
from edgeseg.training.data.folder import EpochSampler, FolderDataset, check_splits, count_pixels
from edgeseg.training.distill import Teacher
from edgeseg.training.ema import Ema
from edgeseg.training.fake_quant import FakeQuantised
from edgeseg.training.losses.registry import check_loss, make_loss
from edgeseg.training.memory import advice, fitting_batch, ran_out_of_memory
from edgeseg.training.objective import Objective
from edgeseg.training.pace import Pace, TimeLeft, in_words
from edgeseg.training.precision import mixed_precision
from edgeseg.training.reports import Row, describe_scores, write_csv, write_curves, write_results, write_samples
from edgeseg.training.settings import TrainSettings
from edgeseg.training.start import check_same_classes, check_same_run, deploy, first_network
from edgeseg.training.validation import Validator
from edgeseg.training.verdict import Verdict, constant_loss, judge

MAX_GRADIENT_NORM = 5.0
SAMPLES_DRAWN = 4
RANGE_IMAGES = 8
NAMES_SHOWN = 16
HARDLY_ANY = 0.01
SAVE_EVERY_S = 60.0
STEPS_WORTH_TIMING = 20
STEPS_TIMED, TIMING_S = 5, 5.0
MASKS_OF_CONSTANT = 8
STEPS_BEFORE_A_WORD = 100


@dataclass(frozen=True)
class TrainResult:
    """Where the checkpoints are, the best val mIoU (0..1), the number of weights, and what became of it.

    ``steps`` is the length in optimiser steps, ``verdict`` whether the network learned anything.
    """

    best: Path
    last: Path
    miou: float
    weights: int
    steps: int
    verdict: Verdict


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
        check_splits(data)
        set_seed(settings.seed)
        self.spec, self.settings = spec, settings
        self.left = TimeLeft()
        if settings.loss:
            check_loss(settings.loss, spec.task)
        teacher = Teacher.load(settings.distill, spec) if settings.distill else None
        AcceleratorState._reset_state()
        # bf16 has no room for 256 levels: it would round what is rounded once more.
        amp = "no" if settings.qat and settings.amp == "auto" else settings.amp
        precision = mixed_precision(amp, settings.device)
        self.accelerator = Accelerator(cpu=settings.device == "cpu", mixed_precision=precision)
        self.crop = settings.crop or (spec.height, spec.width)
        sizes = Augmentation(scale=settings.scale)
        self.train_set = FolderDataset(data, "train", spec, self.crop, sizes, settings.seed, settings.boundary)
        self.val_set = FolderDataset(data, "val", spec)
        self.validator = Validator(self.val_set, self.accelerator)
        self.rows: list[Row] = []
        self.best_scores: Confusion | None = None
        self._saved_at, self._warned = -math.inf, False
        self.pixels = self._count_classes()
        self._prepare(teacher)
        if settings.boundary:
            self._say_what_is_weighted(settings.boundary)

    def _count_classes(self) -> Tensor:
        """Read everything once: bad files show now, not after an hour."""
        val = self._bar(range(len(self.val_set)), "reading validation images")
        count_pixels(self.val_set, val)
        train = self._bar(range(len(self.train_set)), "reading training images")
        return count_pixels(self.train_set, train)

    def _say_what_is_weighted(self, boundary: BoundaryWeights) -> None:
        share = self.train_set.weighted_share(self._bar(range(len(self.train_set)), "boundary weights"))
        chosen = ", ".join(self.spec.classes[label] for label in boundary.objects or ()) or "all but the first"
        advice = "" if share >= HARDLY_ANY else f", hardly any: choose other `boundary_objects` (now: {chosen})"
        if self.accelerator.is_main_process:
            say(f"boundary weights: {100 * share:.1f} % of the training pixels weigh more{advice}")

    def _prepare(self, teacher: Teacher | None) -> None:
        settings, count = self.settings, len(self.train_set)
        if count < settings.batch:
            raise UserError(f"`batch={settings.batch}` is more than the {count} training images; choose a smaller one.")
        model = first_network(settings, self.spec)
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
        groups = parameter_groups(model, settings)
        if settings.qat:
            model = FakeQuantised(model, self._range_images())
        optimizer = torch.optim.AdamW(groups)
        self._rates = [group["lr"] for group in groups]
        self.model, self.optimizer, self.loader = self.accelerator.prepare(model, optimizer, loader)
        self._make_schedule(optimizer)
        loss = make_loss(self.spec, self.pixels, settings.class_weights, settings.loss, settings.boundary is not None)
        if teacher:
            prepared = self.accelerator.prepare_model(teacher.model, evaluation_mode=True)
            teacher = dataclasses.replace(teacher, model=prepared)
        self.objective = Objective(loss, teacher)
        self.ema = Ema(self._bare(), settings.ema)

    def _make_schedule(self, optimizer: torch.optim.Optimizer) -> None:
        """One cycle of the learning rate over the whole run."""
        steps = self.steps + 1
        warmup = max(self.settings.warmup, 2 / steps)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self._rates, steps, pct_start=warmup)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return len(self.loader) * self.settings.epochs

    @property
    def validations(self) -> int:
        """How often a whole run validates."""
        return -(-self.settings.epochs // self.settings.val_every)

    def _range_images(self) -> Tensor:
        """(N, C, H, W) whole training images, spread over the set, as the runtime would give them."""
        count = min(RANGE_IMAGES, len(self.train_set))
        chosen = torch.linspace(0, len(self.train_set) - 1, count).long().tolist()
        whole = [self.train_set.whole(index)[0] for index in chosen]
        return torch.stack(whole).contiguous(memory_format=torch.channels_last)

    def run(self, resume: Path | None = None) -> TrainResult:
        """Train to the end, from the beginning or from a checkpoint; raises UserError when nothing is left to do."""
        start = self._restore(resume) if resume else 0
        if start >= self.settings.epochs:
            raise UserError(f"All {self.settings.epochs} epochs are already done; start a new run to train further.")
        budget_s = None if resume else self.settings.budget_s
        pace = self._measure_pace() if budget_s or self.steps >= STEPS_WORTH_TIMING else None
        if budget_s and pace:
            self._fit(budget_s, pace)
        self._expect(pace, start)
        if self.settings.qat and not start:
            self._say_what_rounding_costs()
        for epoch in range(start, self.settings.epochs):
            self._epoch(epoch)
        out = self.settings.out
        return TrainResult(out / "best.pt", out / "last.pt", self._best(), self.weights, self.steps, self._verdict())

    def _measure_pace(self) -> Pace:
        """Time a few steps and pictures; whatever they changed is put back."""
        before = copy.deepcopy(self._resume_state(-1))
        alone, began = self.accelerator.num_processes == 1, time.monotonic()
        self.model.train()
        step_s = [self._time_step() for _ in range(2)]
        # Processes that wait for each other's gradients take as many steps each.
        while alone and len(step_s) <= STEPS_TIMED and time.monotonic() - began < TIMING_S:
            step_s.append(self._time_step())
        picture_s = [self._time_picture(index) for index in range(min(2, len(self.val_set)))]
        self._put_back(before)
        # The first ones allocate memory and choose kernels.
        times = torch.tensor([sum(step_s[1:]) / len(step_s[1:]), picture_s[-1] * len(self.val_set)])
        shared: Any = self.accelerator.reduce(times.to(self.accelerator.device), "mean")
        return Pace(float(shared[0]), float(shared[1]) / self.accelerator.num_processes)

    def _time_step(self) -> float:
        began = time.monotonic()
        keys = list(self.sampler)[: self.settings.batch]
        batch = default_collate([self.train_set[key] for key in keys])
        if self.settings.workers:
            began = time.monotonic()  # others load
        self._step_or_advice([part.to(self.accelerator.device) for part in batch])
        return time.monotonic() - began

    def _time_picture(self, index: int) -> float:
        began = time.monotonic()
        self.validator.labels(self._average(), index)
        return time.monotonic() - began

    def _fit(self, budget_s: float, pace: Pace) -> None:
        """Make the run as long as fits into a time on this machine."""
        epochs, val_every = pace.epochs_within(budget_s, len(self.loader))
        self.settings = dataclasses.replace(self.settings, epochs=epochs, val_every=val_every)
        self._make_schedule(self.schedule.optimizer)

    def _expect(self, pace: Pace | None, start: int) -> None:
        """Say how long the run is and will take."""
        self.left.steps_left = self.steps - start * len(self.loader)
        self.left.validations_left = self.validations - start // self.settings.val_every
        self.left.expect(pace)
        if self.accelerator.is_main_process:
            size = f"{self.settings.batch} crops of {self.crop[0]}x{self.crop[1]}"
            text = f"{self.steps} steps of {size}, in {self.settings.epochs} epochs of {len(self.loader)}"
            if start:
                text += f"; {self.left.steps_left} are left"
            if pace and self.left.left_s is not None:
                text += f"; {pace.step_s:.2g} s a step here, about {in_words(self.left.left_s)} in all"
            complain(text)

    def _say_what_rounding_costs(self) -> None:
        rounded = self._bare()
        in_float, in_int8 = (self._score(net).mean_iou for net in (deploy(rounded), rounded))
        if self.accelerator.is_main_process:
            say(f"before: val mIoU {in_float:.4f} in float, {in_int8:.4f} rounded as INT8 will be")

    def _epoch(self, epoch: int) -> None:
        began = time.monotonic()
        loss = self._train(epoch)
        last = epoch + 1 == self.settings.epochs
        scored = last or (epoch + 1) % self.settings.val_every == 0
        confusion = self._score(self._average()) if scored else None
        miou = confusion.mean_iou if confusion else math.nan
        improved = miou > self._best()
        if improved:
            self.best_scores = confusion
        rate = float(max(self.schedule.get_last_lr()))
        seconds = time.monotonic() - began
        self.rows.append({"epoch": epoch + 1, "lr": rate, "loss": loss, "miou": miou, "seconds": seconds})
        due = scored or not self.settings.sparse or time.monotonic() - self._saved_at >= SAVE_EVERY_S
        if due and self.accelerator.is_main_process:
            self._save(epoch, confusion, improved)
            self._report(confusion)
            say(_line(self.rows[-1], self.settings.epochs, improved))
            self._saved_at = time.monotonic()
            if scored and not last:
                self._say_when_nothing_is_learned()
        self.accelerator.wait_for_everyone()

    def _score(self, model: nn.Module) -> Confusion:
        """On the val split; ranges of INT8 are those that an export of the present weights would find."""
        if isinstance(model, FakeQuantised):
            model.eval().calibrate(self._range_images().to(self.accelerator.device))
        began = time.monotonic()
        confusion = self.validator.confusion(model, lambda indices: self._bar(indices, "validating"))
        self.left.count("validation", time.monotonic() - began)
        return confusion

    def _verdict(self) -> Verdict:
        scores = self.best_scores or Confusion(self.spec.num_classes)
        newest = self.rows[-max(1, len(self.rows) // 20) :]
        loss = sum(row["loss"] for row in newest) / len(newest)
        return judge(scores, self.spec.classes, loss, self._trivial_loss())

    def _trivial_loss(self) -> float | None:
        """The loss of the best constant answer, where the run's own is comparable with it."""
        settings = self.settings
        if settings.boundary or settings.distill or settings.options.get("deep_supervision"):
            return None
        count = min(MASKS_OF_CONSTANT, len(self.train_set))
        chosen = torch.linspace(0, len(self.train_set) - 1, count).long().tolist()
        targets = [self.train_set.whole(index)[1] for index in chosen]
        binary = self.spec.task == "binary"
        return constant_loss(self.objective.loss, self.pixels, settings.class_weights, targets, binary)

    def _say_when_nothing_is_learned(self) -> None:
        """Once, when a third of the run is over and something could have been."""
        few = len(self.rows) * len(self.loader) < STEPS_BEFORE_A_WORD
        if self._warned or few or 3 * len(self.rows) < self.settings.epochs:
            return
        verdict = self._verdict()
        self._warned = True
        if not verdict.learned:
            place, why = f"epoch {len(self.rows)} of {self.settings.epochs}", " and ".join(verdict.why)
            complain(f"warning: by {place} nothing is learned yet: {why}")

    def _train(self, epoch: int) -> float:
        self.model.train()
        self.sampler.epoch = epoch
        total, steps = 0.0, len(self.loader)
        bar = self._bar(self.loader, f"epoch {epoch + 1}/{self.settings.epochs}", steps)
        began = time.monotonic()
        for step, batch in enumerate(bar):
            loss = self._step_or_advice(batch)
            self.left.count("step", -began + (began := time.monotonic()))
            best = f", best val mIoU {self._best():.3f}" if self.best_scores else ""
            self.left.state = f"loss {(total + loss) / (step + 1):.3f}{best}"
            if not math.isfinite(loss):
                out = self.settings.out
                kept = f"The checkpoint of the epoch before is kept in {out}" if epoch else "No epoch was finished"
                raise DataError(
                    f"The loss became {loss} in epoch {epoch + 1}, batch {step + 1} ({self._list_images(step)}). "
                    f"{kept}; lower `lr` (now {self.settings.lr})."
                )
            total += loss
            left = in_words(self.left.left_s or 0)
            bar.set_postfix(loss=f"{total / (step + 1):.3f}", miou=f"{max(self._best(), 0):.3f}", left=left)
        return total / steps

    def _list_images(self, step: int) -> str:
        """Names of the images in this process's batch of the present epoch."""
        size, shared = self.settings.batch, self.accelerator.num_processes
        first = (step * shared + self.accelerator.process_index) * size
        names = [self.train_set.pairs[index].image.name for _, index in list(self.sampler)[first : first + size]]
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return ", ".join(names[:NAMES_SHOWN]) + more

    def _step_or_advice(self, batch: Sequence[Tensor]) -> float:
        """A step; where memory does not suffice, the batch that would have fit is found and named."""
        try:
            return self._step(batch)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
        # Outside the handler: the exception's traceback kept the activations of the failed step alive.
        size = self.settings.batch
        alone = self.accelerator.num_processes == 1  # others would wait for this process's gradients
        fits = fitting_batch(lambda count: self._try(batch, count), size) if alone else size // 2
        raise UserError(advice(size, fits, self.crop))

    def _try(self, batch: Sequence[Tensor], count: int) -> None:
        self.optimizer.zero_grad()
        self.accelerator.backward(self._loss([part[:count] for part in batch]))

    def _loss(self, batch: Sequence[Tensor]) -> Tensor:
        """Of (images, target) or (images, target, boundary weights)."""
        images, *truth = batch
        images = images.contiguous(memory_format=torch.channels_last)
        return self.objective(self.model(images), images, *truth)

    def _step(self, batch: Sequence[Tensor]) -> float:
        loss = self._loss(batch)
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

    def _average(self) -> nn.Module:
        return self.ema.model if self.settings.ema else self._bare()

    def _best(self) -> float:
        return max((row["miou"] for row in self.rows if not math.isnan(row["miou"])), default=-1.0)

    def _save(self, epoch: int, confusion: Confusion | None, improved: bool) -> None:
        architecture = {"name": self.settings.model, "options": self.settings.options}
        facts = self._facts(epoch, confusion)
        state = deploy(self._average()).state_dict()
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

    def _report(self, confusion: Confusion | None) -> None:
        out = self.settings.out
        write_csv(out / "results.csv", self.rows)
        if confusion is not None:
            write_results(out / "results.json", self._results(confusion))
            write_curves(out / "curves.png", self.rows)
            write_samples(out / "val_batch.png", self.validator.samples(self._average(), SAMPLES_DRAWN), self.spec)

    def _results(self, confusion: Confusion) -> dict[str, Any]:
        verdict, done = self._verdict(), int(self.rows[-1]["epoch"])
        scored = {"best": self.best_scores or confusion, "last": confusion}
        return {
            "finished": done == self.settings.epochs,
            "epochs": done,
            "steps": done * len(self.loader),
            "seconds": sum(row["seconds"] for row in self.rows),
            **{name: describe_scores(scores, self.spec.classes) for name, scores in scored.items()},
            "loss": self.rows[-1]["loss"],
            "loss_of_a_constant_answer": self._trivial_loss(),
            "learned": verdict.learned,
            "why_not": list(verdict.why),
            "never_found": list(verdict.never_found),
            "weights": self.weights,
            "settings": self.settings.identity(),
        }

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
            "best_scores": torch.from_numpy(self.best_scores.counts) if self.best_scores else None,
        }

    def _restore(self, path: Path) -> int:
        values = read_checkpoint(path)
        state = values.get("resume")
        if state is None:
            raise CheckpointError(f"{path} holds no optimiser state; resume from a last.pt.")
        classes = ModelSpec.from_json(values["spec"]).classes
        check_same_classes(classes, self.spec.classes, f"{path} was trained on", "Resume")
        check_same_run(state["identity"], self.settings.identity(), path)
        self._put_back(state)
        return int(state["epoch"])

    def _put_back(self, state: dict[str, Any]) -> None:
        """Take the state that :meth:`_resume_state` gave."""
        self._bare().load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"]["state"])
        self.ema.steps = state["ema"]["steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["torch_rng"])
        self.rows = list(state["rows"])
        counts = state.get("best_scores")  # older files have none
        if counts is not None:
            self.best_scores = Confusion(self.spec.num_classes)
            self.best_scores.counts = counts.numpy()

    def _bar(self, items: Any, title: str, total: int | None = None) -> Any:
        """A progress bar on a terminal; in a log, a line now and then."""
        total = len(items) if total is None else total
        if not self.accelerator.is_local_main_process:
            return tqdm(items, disable=True)
        return tqdm(self.left.watch(items, title, total), title, total, disable=None, leave=False, dynamic_ncols=True)


def parameter_groups(model: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Group parameters for AdamW: weights of more than one dimension decay, biases and normalisation do not.

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


def _line(row: Row, epochs: int, improved: bool) -> str:
    score = "" if math.isnan(row["miou"]) else f"  val mIoU {row['miou']:.4f}{' *' if improved else ''}"
    return f"epoch {row['epoch']:.0f}/{epochs}  loss {row['loss']:.4f}{score}  {row['seconds']:.1f} s"
