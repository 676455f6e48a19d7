"""The training loop: Accelerate drives the devices, everything else is here in the open."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import default_collate

from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, UserError
from edgeseg.files.trained_on import record_training
from edgeseg.metrics.confusion import Confusion
from edgeseg.spec import ModelSpec
from edgeseg.training.data.augment import AUGMENTATIONS
from edgeseg.training.data.boundary_weights import BoundaryWeights
from edgeseg.training.data.folder import FolderDataset, check_splits, count_pixels
from edgeseg.training.data.pseudo_labels import label_pictures
from edgeseg.training.distill import Teacher
from edgeseg.training.fake_quant import FakeQuantised
from edgeseg.training.history import History
from edgeseg.training.learner import Learner
from edgeseg.training.losses.losses import VOID
from edgeseg.training.losses.registry import check_loss, make_loss
from edgeseg.training.pace import Pace
from edgeseg.training.precision import make_accelerator
from edgeseg.training.reporter import Reporter
from edgeseg.training.run_files import RunFiles
from edgeseg.training.settings import TrainSettings
from edgeseg.training.start import deploy, first_network, read_resume
from edgeseg.training.validation import Validator
from edgeseg.training.verdict import Verdict, constant_loss
from edgeseg.training.voice import ALOUD, Voice

PSEUDO = "pseudo-labels"
"""Folder, in that of the run, of what a teacher labelled."""
RANGE_IMAGES = 8
NAMES_SHOWN = 16
HARDLY_ANY = 0.01
STEPS_WORTH_TIMING = 20
STEPS_TIMED, TIMING_S = 5, 5.0
MASKS_OF_CONSTANT = 8


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


def train(
    data: Dataset, spec: ModelSpec, settings: TrainSettings, resume: Path | None = None, voice: Voice = ALOUD
) -> TrainResult:
    """Train a network; leave ``best.pt``, ``last.pt``, ``results.csv`` and pictures in ``settings.out``.

    Args:
        data: labelled folder with the splits ``train`` and ``val``.
        spec: the contract of the network to be.
        settings: how.
        resume: a ``last.pt`` to go on from, bit for bit.
        voice: how it speaks.

    Raises:
        DataError: unreadable or contradicting images and masks; a loss that is no number.
        CheckpointError: ``resume`` is no checkpoint or belongs to another run.
        OutputError: ``settings.out`` cannot be written.
    """
    return Trainer(data, spec, settings, voice).run(resume)


class Trainer:
    """One run: what lives from epoch to epoch."""

    def __init__(self, data: Dataset, spec: ModelSpec, settings: TrainSettings, voice: Voice = ALOUD) -> None:
        check_splits(data)
        set_seed(settings.seed)
        self.spec, self.settings = spec, settings
        if settings.loss:
            check_loss(settings.loss, spec.task)
        teacher = Teacher.load(settings.distill, spec) if settings.distill else None
        self.accelerator = make_accelerator(settings)
        self.reporter = Reporter(self.accelerator, voice)
        ranges = dataclasses.replace(AUGMENTATIONS[settings.augment], scale=settings.scale)
        self.train_set = FolderDataset(data, "train", spec, self.crop, ranges, settings.seed, settings.boundary)
        if settings.unlabelled and teacher:
            self.train_set.join(self._label_pictures(settings.unlabelled, teacher))
        self.trained_on = record_training([pair.image for pair in self.train_set.pairs])
        self.validator = Validator(FolderDataset(data, "val", spec), self.accelerator)
        self.history = History(spec)
        self.pixels = self._count_classes()
        self.learner = self._make_learner(teacher)
        if settings.boundary:
            self._say_what_is_weighted(settings.boundary)

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of training crops."""
        return self.settings.crop or (self.spec.height, self.spec.width)

    def _label_pictures(self, pictures: Path, teacher: Teacher) -> Dataset:
        out, least = self.settings.out / PSEUDO, self.settings.pseudo_confidence
        with self.accelerator.main_process_first():
            if not self.accelerator.is_main_process:
                return Dataset.open(out, VOID)
            found = label_pictures(pictures, teacher.model, self.spec, least, out, self.reporter.bar)
        count = len(found.data.pairs("train"))
        self.reporter.say(
            f"{count} pictures of {pictures} were labelled by the teacher, {100 * found.kept:.0f} % of their pixels; "
            f"where it is less sure than {least:g} they are void ({out})"
        )
        return found.data

    def _count_classes(self) -> Tensor:
        """Read everything once: bad files show now, not after an hour."""
        val = self.reporter.bar(range(len(self.validator.dataset)), "reading validation images")
        count_pixels(self.validator.dataset, val)
        train = self.reporter.bar(range(len(self.train_set)), "reading training images")
        return count_pixels(self.train_set, train)

    def _make_learner(self, teacher: Teacher | None) -> Learner:
        settings, count = self.settings, len(self.train_set)
        if count < settings.batch:
            raise UserError(f"`batch={settings.batch}` is more than the {count} training images; choose a smaller one.")
        model = first_network(settings, self.spec)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.qat:
            model = FakeQuantised(model, self._range_images())
        loss = make_loss(self.spec, self.pixels, settings.class_weights, settings.loss, settings.boundary is not None)
        return Learner(model, self.train_set, loss, teacher, settings, self.accelerator)

    def _say_what_is_weighted(self, boundary: BoundaryWeights) -> None:
        share = self.train_set.weighted_share(self.reporter.bar(range(len(self.train_set)), "boundary weights"))
        chosen = ", ".join(self.spec.classes[label] for label in boundary.objects or ()) or "all but the first"
        advice = "" if share >= HARDLY_ANY else f", hardly any: choose other `boundary_objects` (now: {chosen})"
        self.reporter.say(f"boundary weights: {100 * share:.1f} % of the training pixels weigh more{advice}")

    def _range_images(self) -> Tensor:
        """(N, C, H, W) whole training images, spread over the set, as the runtime would give them."""
        whole = [self.train_set.whole(index)[0] for index in self._spread(RANGE_IMAGES)]
        return torch.stack(whole).contiguous(memory_format=torch.channels_last)

    def _spread(self, count: int) -> list[int]:
        """At most ``count`` training images, evenly spaced."""
        indices: list[int] = torch.linspace(0, len(self.train_set) - 1, min(count, len(self.train_set))).long().tolist()
        return indices

    def run(self, resume: Path | None = None) -> TrainResult:
        """Train to the last epoch, from the first or from where ``resume`` was saved.

        Raises:
            UserError: nothing is left to do, or memory does not suffice.
            DataError: the loss is no number any more.
            CheckpointError: ``resume`` is no checkpoint or belongs to another run.
        """
        start = self._restore(resume) if resume else 0
        if start >= self.settings.epochs:
            raise UserError(f"All {self.settings.epochs} epochs are already done; start a new run to train further.")
        budget_s = None if resume else self.settings.budget_s
        pace = self._measure_pace() if budget_s or self.learner.steps >= STEPS_WORTH_TIMING else None
        if budget_s and pace:
            self._fit(budget_s, pace)
        self._expect(pace, start)
        if self.settings.qat and not start:
            self._say_what_rounding_costs()
        for epoch in range(start, self.settings.epochs):
            self.run_epoch(epoch)
        files = self._files
        steps = self.learner.steps
        return TrainResult(files.best, files.last, self.history.best, files.weights, steps, self._judge())

    @property
    def _files(self) -> RunFiles:
        return RunFiles(self.settings, self.spec, self.learner, self.history, self.trained_on)

    def _restore(self, path: Path) -> int:
        state = read_resume(path, self.spec, self.settings)
        self._load_state(state)
        return int(state["epoch"])

    def _state(self, epoch: int) -> dict[str, Any]:
        """What a run that ended after ``epoch`` goes on from, bit for bit."""
        identity = {"epoch": epoch + 1, "identity": self.settings.identity()}
        return {**identity, **self.learner.state_dict(), **self.history.state_dict()}

    def _load_state(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)
        self.history.load_state_dict(state)

    def _measure_pace(self) -> Pace:
        """Time a few steps and pictures; whatever they changed is put back."""
        before = copy.deepcopy(self._state(-1))
        alone, began = self.accelerator.num_processes == 1, time.monotonic()
        self.learner.model.train()
        step_s = [self._time_step() for _ in range(2)]
        # Processes that wait for each other's gradients take as many steps each.
        while alone and len(step_s) <= STEPS_TIMED and time.monotonic() - began < TIMING_S:
            step_s.append(self._time_step())
        pictures = len(self.validator.dataset)
        picture_s = [self._time_picture(index) for index in range(min(2, pictures))]
        self._load_state(before)
        # The first ones allocate memory and choose kernels.
        times = torch.tensor([sum(step_s[1:]) / len(step_s[1:]), picture_s[-1] * pictures])
        shared: Any = self.accelerator.reduce(times.to(self.accelerator.device), "mean")
        return Pace(float(shared[0]), float(shared[1]) / self.accelerator.num_processes)

    def _time_step(self) -> float:
        began = time.monotonic()
        keys = list(self.learner.sampler)[: self.settings.batch]
        batch = default_collate([self.train_set[key] for key in keys])
        if self.settings.workers:
            began = time.monotonic()  # others load
        self.learner.step_or_advise([part.to(self.accelerator.device) for part in batch])
        return time.monotonic() - began

    def _time_picture(self, index: int) -> float:
        began = time.monotonic()
        self.validator.labels(self.learner.average, index)
        return time.monotonic() - began

    def _fit(self, budget_s: float, pace: Pace) -> None:
        """Make the run as long as fits into a time on this machine."""
        epochs, val_every = pace.epochs_within(budget_s, len(self.learner.loader))
        self.settings = dataclasses.replace(self.settings, epochs=epochs, val_every=val_every)
        self.learner.plan(epochs)

    def _expect(self, pace: Pace | None, start: int) -> None:
        settings, steps_an_epoch = self.settings, len(self.learner.loader)
        size = f"{settings.batch} crops of {self.crop[0]}x{self.crop[1]}"
        text = f"{self.learner.steps} steps of {size}, in {settings.epochs} epochs of {steps_an_epoch}"
        validations = -(-settings.epochs // settings.val_every) - start // settings.val_every
        self.reporter.expect(text, self.learner.steps - start * steps_an_epoch, validations, pace, start > 0)

    def _say_what_rounding_costs(self) -> None:
        rounded = self.learner.bare
        in_float, in_int8 = (self._score(net).mean_iou for net in (deploy(rounded), rounded))
        self.reporter.say(f"before: val mIoU {in_float:.4f} in float, {in_int8:.4f} rounded as INT8 will be")

    def run_epoch(self, epoch: int) -> None:
        """Train an epoch, the first is 0; validate, save and report it where it is due."""
        began, settings = time.monotonic(), self.settings
        loss = self._train(epoch)
        last = epoch + 1 == settings.epochs
        scored = last or (epoch + 1) % settings.val_every == 0
        confusion = self._score(self.learner.average) if scored else None
        improved = self.history.add(self.learner.rate, loss, confusion, time.monotonic() - began)
        if self.reporter.is_due(scored, settings.sparse):
            self._files.save(confusion, improved, self._state(epoch))
            self._files.write_reports(confusion, self._trivial_loss() if scored else None, self.validator)
            self.reporter.end_epoch(self.history.rows[-1], settings.epochs, improved)
            if scored and not last:
                self.reporter.warn_when_nothing_is_learned(
                    epoch + 1, settings.epochs, len(self.learner.loader), self._judge
                )
        self.accelerator.wait_for_everyone()

    def _train(self, epoch: int) -> float:
        learner = self.learner
        learner.model.train()
        learner.sampler.epoch = epoch
        total, steps = 0.0, len(learner.loader)
        bar = self.reporter.bar(learner.loader, f"epoch {epoch + 1}/{self.settings.epochs}", steps)
        began = time.monotonic()
        for step, batch in enumerate(bar):
            loss = learner.step_or_advise(batch)
            self.reporter.left.count("step", -began + (began := time.monotonic()))
            if not math.isfinite(loss):
                raise self._error_of(loss, epoch, step)
            total += loss
            self.reporter.show_step(bar, total / (step + 1), self.history)
        return total / steps

    def _error_of(self, loss: float, epoch: int, step: int) -> DataError:
        out = self.settings.out
        kept = f"The checkpoint of the epoch before is kept in {out}" if epoch else "No epoch was finished"
        return DataError(
            f"The loss became {loss} in epoch {epoch + 1}, batch {step + 1} ({self._list_images(step)}). "
            f"{kept}; lower `lr` (now {self.settings.lr})."
        )

    def _list_images(self, step: int) -> str:
        """Names of the images in this process's batch of the present epoch."""
        size, shared = self.settings.batch, self.accelerator.num_processes
        first = (step * shared + self.accelerator.process_index) * size
        chosen = list(self.learner.sampler)[first : first + size]
        names = [self.train_set.pairs[index].image.name for _, index in chosen]
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return ", ".join(names[:NAMES_SHOWN]) + more

    def _score(self, model: nn.Module) -> Confusion:
        """On the val split; ranges of INT8 are those that an export of the present weights would find."""
        if isinstance(model, FakeQuantised):
            model.eval().calibrate(self._range_images().to(self.accelerator.device))
        began = time.monotonic()
        confusion = self.validator.confusion(model, lambda indices: self.reporter.bar(indices, "validating"))
        self.reporter.left.count("validation", time.monotonic() - began)
        return confusion

    def _judge(self) -> Verdict:
        return self.history.judge(self._trivial_loss())

    def _trivial_loss(self) -> float | None:
        """The loss of the best constant answer, where the run's own is comparable with it."""
        settings = self.settings
        if settings.boundary or settings.distill or settings.options.get("deep_supervision"):
            return None
        targets = [self.train_set.whole(index)[1] for index in self._spread(MASKS_OF_CONSTANT)]
        binary = self.spec.task == "binary"
        return constant_loss(self.learner.objective.loss, self.pixels, settings.class_weights, targets, binary)
