"""The files of a run: checkpoints to deploy and to go on from, and reports for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.metrics.confusion import Confusion
from edgeseg.models.registry import count_weights
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint
from edgeseg.training.history import History
from edgeseg.training.learner import Learner
from edgeseg.training.reports import write_csv, write_curves, write_results, write_samples
from edgeseg.training.settings import TrainSettings
from edgeseg.training.start import deploy
from edgeseg.training.validation import Validator

SAMPLES_DRAWN = 4


@dataclass(frozen=True)
class RunFiles:
    """Writes into ``settings.out`` what came of the epochs so far.

    Attributes:
        settings, spec, learner, history: of the run.
        trained_on: which pictures it learns from, see :func:`edgeseg.files.trained_on.record_training`.
    """

    settings: TrainSettings
    spec: ModelSpec
    learner: Learner
    history: History
    trained_on: Mapping[str, Any]

    @property
    def best(self) -> Path:
        """The checkpoint with the best val mIoU."""
        return self.settings.out / "best.pt"

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch, from which a run goes on."""
        return self.settings.out / "last.pt"

    @property
    def weights(self) -> int:
        """How many numbers the network is made of."""
        return count_weights(deploy(self.learner.bare))

    def save(self, confusion: Confusion | None, improved: bool, state: dict[str, Any]) -> None:
        """Write the checkpoints.

        Args:
            confusion: scores of this epoch, or None where it was not validated.
            improved: they are the best.
            state: what a resumed run goes on from.

        Raises:
            OutputError: the folder cannot be written.
        """
        architecture = {"name": self.settings.model, "options": self.settings.options}
        facts = self._facts(confusion)
        weights = deploy(self.learner.average).state_dict()
        if improved:
            save_checkpoint(self.best, architecture, self.spec, weights, facts)
        save_checkpoint(self.last, architecture, self.spec, weights, facts, state)

    def _facts(self, confusion: Confusion | None) -> dict[str, Any]:
        facts = {"epoch": len(self.history.rows), "weights": self.weights, **self.settings.identity()}
        facts["trained_on"] = dict(self.trained_on)
        if confusion is not None:
            facts["val_miou"] = confusion.mean_iou
            facts["val_iou"] = dict(zip(self.spec.classes, confusion.iou.tolist(), strict=True))
        return facts

    def write_reports(self, confusion: Confusion | None, trivial_loss: float | None, validator: Validator) -> None:
        """Write tables, curves and pictures; all but the first only after a validation.

        Args:
            confusion: scores of this epoch, or None where it was not validated.
            trivial_loss: of the best constant answer, or None.
            validator: gives the pictures.

        Raises:
            OutputError: the folder cannot be written.
        """
        out, rows = self.settings.out, self.history.rows
        write_csv(out / "results.csv", rows)
        if confusion is not None:
            write_results(out / "results.json", self._describe(confusion, trivial_loss))
            write_curves(out / "curves.png", rows)
            write_samples(out / "val_batch.png", validator.samples(self.learner.average, SAMPLES_DRAWN), self.spec)

    def _describe(self, confusion: Confusion, trivial_loss: float | None) -> dict[str, Any]:
        done = len(self.history.rows)
        return {
            "finished": done == self.settings.epochs,
            "epochs": done,
            "steps": done * len(self.learner.loader),
            **self.history.describe(confusion, trivial_loss),
            "weights": self.weights,
            "settings": self.settings.identity(),
        }
