"""What came of each epoch of a run."""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.multilabel import make_confusion
from edgeseg.spec import ModelSpec
from edgeseg.training.reports import Row, describe_scores
from edgeseg.training.verdict import Verdict, judge


class History:
    """Every epoch so far, and the scores of the best.

    Args:
        spec: names the classes.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self.rows: list[Row] = []
        self.best_scores: Confusion | None = None

    @property
    def best(self) -> float:
        """The best mIoU (0..1) so far; -1 before the first validation."""
        return max((row["miou"] for row in self.rows if not math.isnan(row["miou"])), default=-1.0)

    def add(self, rate: float, loss: float, confusion: Confusion | None, seconds: float) -> bool:
        """Add an epoch; True when it scored better than any before."""
        miou = confusion.mean_iou if confusion else math.nan
        improved = miou > self.best
        if improved:
            self.best_scores = confusion
        self.rows.append({"epoch": len(self.rows) + 1, "lr": rate, "loss": loss, "miou": miou, "seconds": seconds})
        return improved

    def judge(self, trivial_loss: float | None) -> Verdict:
        """Judge by the best scores, and by the loss of the newest twentieth."""
        newest = self.rows[-max(1, len(self.rows) // 20) :]
        loss = sum(row["loss"] for row in newest) / len(newest)
        return judge(self.best_scores or self._nothing(), self._spec.classes, loss, trivial_loss)

    def _nothing(self) -> Confusion:
        return make_confusion(self._spec.task, self._spec.num_classes)

    def describe(self, confusion: Confusion, trivial_loss: float | None) -> dict[str, Any]:
        """Return what the run gave so far in values that JSON has.

        Args:
            confusion: scores of the last epoch.
            trivial_loss: of the best constant answer, or None.
        """
        verdict, classes = self.judge(trivial_loss), self._spec.classes
        return {
            "seconds": sum(row["seconds"] for row in self.rows),
            "best": describe_scores(self.best_scores or confusion, classes),
            "last": describe_scores(confusion, classes),
            "loss": self.rows[-1]["loss"],
            "loss_of_a_constant_answer": trivial_loss,
            "learned": verdict.learned,
            "why_not": list(verdict.why),
            "never_found": list(verdict.never_found),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run goes on from."""
        counts = torch.from_numpy(self.best_scores.counts) if self.best_scores else None
        return {"rows": self.rows, "best_scores": counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state that :meth:`state_dict` gave."""
        self.rows = list(state["rows"])
        counts = state.get("best_scores")  # older files have none
        if counts is not None:
            self.best_scores = self._nothing()
            self.best_scores.counts = counts.numpy()
