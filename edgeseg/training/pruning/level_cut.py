"""Cutting the deeper levels off a network, with what that costs and saves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import nn

from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.masks.mask_values import GivenValues
from edgeseg.models.cut_unet import CutUNet, check_cut, cut_below
from edgeseg.models.profile import gflop
from edgeseg.models.registry import count_weights
from edgeseg.spec import ModelSpec
from edgeseg.training.data.folder import FolderDataset
from edgeseg.training.pruning.levels import join_means
from edgeseg.training.validation import Validator


@dataclass(frozen=True)
class CutFacts:
    """What a cut cost and saved, each as (before, after).

    Attributes:
        level: the deepest that was kept; 0 is the finest.
        stride: of its skip, in input pixels.
        miou: 0..1 on the images that the means are of.
        weights: how many numbers the network has.
        gflop: 1e9 operations for one image, 2 a multiply-add.
        data, split, images: what it was measured on.
    """

    level: int
    stride: int
    miou: tuple[float, float]
    weights: tuple[int, int]
    gflop: tuple[float, float]
    data: str
    split: str
    images: int

    @property
    def cost(self) -> float:
        """mIoU points lost."""
        return 100 * (self.miou[0] - self.miou[1])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return {**asdict(self), "drop_points": self.cost}

    def text(self) -> str:
        """Say what happened, in three lines."""
        (miou, miou_cut), (weights, weights_cut), (work, work_cut) = self.miou, self.weights, self.gflop
        on = f"{self.images} images of {self.data} ({self.split})"
        return "\n".join(
            (
                f"cut below level {self.level} (stride {self.stride}): the mean of what came from there is a bias now",
                f"  cost   mIoU {miou:.4f} -> {miou_cut:.4f} ({-self.cost:+.2f} points) on {on}",
                f"  saved  {weights:,} -> {weights_cut:,} weights ({_less(weights, weights_cut)}), "
                f"{work:.2f} -> {work_cut:.2f} GFLOP ({_less(work, work_cut)})",
            )
        )


def cut_and_measure(
    model: nn.Module, level: int, validator: Validator, progress: Callable[[], object] = lambda: None
) -> tuple[CutUNet, CutFacts]:
    """Build a network without what lies below ``level``, scored beside the whole one.

    Args:
        model: left in eval mode, and otherwise alone.
        level: the deepest to keep.
        validator: gives the images that the means are of and that both are scored on.
        progress: called after each of the two passes over the data.

    Raises:
        UserError: a network that cannot be cut there.
    """
    check_cut(model, level)
    before, means = join_means(model, validator)
    progress()
    small = cut_below(model, level, means[level].value, means[level].gate)
    after = validator.confusion(small)
    progress()
    data, spec = validator.dataset, validator.dataset.spec
    facts = CutFacts(
        level=level,
        stride=means[level].stride,
        miou=(before.mean_iou, after.mean_iou),
        weights=(count_weights(model), count_weights(small)),
        gflop=(_gflop(model, spec), _gflop(small, spec)),
        data=str(data.data.root),
        split=data.split,
        images=len(data),
    )
    return small, facts


def labelled_validator(
    path: Path, spec: ModelSpec, split: str | None = None, mask_values: GivenValues | None = None
) -> Validator:
    """Open the labelled images that levels are measured on, by the CPU.

    Args:
        path: data folder or ``data.yaml``.
        spec: of the network.
        split: which; None for ``val``, or the only one there is.
        mask_values: what mask values mean, ``255=road``; None: as the data says it.

    Raises:
        UserError: other classes than the network's, or no such split.
    """
    data = Dataset.open(path, None, mask_values, spec)
    if data.classes != spec.classes:
        raise UserError(f"{path} has the classes {', '.join(data.classes)}, the network {', '.join(spec.classes)}.")
    if split is None:
        split = "val" if "val" in data.folders else next(iter(data.folders))
    data.check_masks(split, proof=True)
    return Validator(FolderDataset(data, split, spec), Accelerator(cpu=True))


def _gflop(model: nn.Module, spec: ModelSpec) -> float:
    return gflop(copy.deepcopy(model).to("meta"), spec)


def _less(before: float, after: float) -> str:
    return f"{100 * (after / before - 1):+.0f} %"
