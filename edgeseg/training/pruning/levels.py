"""Which levels of a U-Net does its answer come from?

A U-Net can end up using only its top levels: the skips at full resolution carry the image past
everything below, and the deep half is weight and arithmetic for nothing. Here each level's
contribution is taken away and the loss in mIoU is measured:

* *skip*: the level's own features, beside the coarser path, are replaced;
* *below*: the coarser path that comes up into the level is replaced, and so every deeper level is cut.

What is taken away is replaced by its mean over the data, as :mod:`edgeseg.models.joins` says; so
what is measured is what :func:`edgeseg.models.cut_unet.cut_below` leaves.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from edgeseg.errors import UserError
from edgeseg.metrics.confusion import Confusion
from edgeseg.models.joins import Join, constant_part
from edgeseg.training.validation import Validator


@runtime_checkable
class Levelled(Protocol):
    """A network that says where its levels meet."""

    def skip_joins(self) -> Sequence[Join]:
        """List where levels meet, finest first."""
        ...


@dataclass(frozen=True)
class Level:
    """What one level is worth.

    Attributes:
        level: 0 is the finest.
        stride: of its skip, in input pixels.
        skip_loss: mIoU points lost without its skip.
        below_loss: mIoU points lost without everything deeper.
        below_weights: how many weights are deeper.
    """

    level: int
    stride: int
    skip_loss: float
    below_loss: float
    below_weights: int


@dataclass(frozen=True)
class LevelReport:
    """All levels of a network, finest first, its mIoU (0..1) and its number of weights."""

    levels: tuple[Level, ...]
    miou: float
    weights: int

    def cut(self, max_drop: float) -> Level | None:
        """Find the finest level below which everything can go at a cost of at most ``max_drop`` mIoU points."""
        return next((level for level in self.levels if level.below_loss <= max_drop), None)


@dataclass(frozen=True)
class JoinMean:
    """What goes into a join, averaged over all pixels and images.

    Attributes:
        value: (C,) of the concatenation.
        gate: (C,) of the map that the join's gate looks at, or None.
        stride: of the level, in input pixels.
    """

    value: Tensor
    gate: Tensor | None
    stride: int


def measure_levels(
    model: nn.Module, validator: Validator, progress: Callable[[], object] = lambda: None
) -> LevelReport:
    """Take each level's contribution away and score what is left on the validator's images.

    Args:
        model: any mode; left in eval mode.
        validator: gives images, truth and device.
        progress: called after each of the ``2 * levels + 1`` passes over the data.

    Raises:
        UserError: a network whose levels cannot be told apart.
    """
    joins = find_joins(model)
    confusion, means = join_means(model, validator)
    whole = confusion.mean_iou
    progress()
    levels = []
    for join, mean in zip(joins, means, strict=True):
        losses = []
        for part, gate in ((slice(join.coarse, None), None), (slice(0, join.coarse), mean.gate)):
            with constant_part(join, part, mean.value, gate):
                losses.append(100 * (whole - validator.confusion(model).mean_iou))
            progress()
        levels.append(Level(join.level, mean.stride, losses[0], losses[1], _count(join.below)))
    return LevelReport(tuple(levels), whole, _count([model]))


def join_means(model: nn.Module, validator: Validator) -> tuple[Confusion, list[JoinMean]]:
    """Score a network, and average what goes into its joins on the same images.

    Raises:
        UserError: a network whose levels cannot be told apart.
    """
    joins = find_joins(model)
    size, means = Mean(), [Mean() for _ in joins]
    gates = [Mean(1) if join.gate is not None else None for join in joins]
    looks = [(join.module, mean) for join, mean in zip(joins, means, strict=True)]
    looks += [(join.gate, mean) for join, mean in zip(joins, gates, strict=True) if join.gate is not None and mean]
    with hook_inputs([(model, size), *looks]):
        confusion = validator.confusion(model)
    strides = [2 ** round(math.log2(size.height / mean.height)) for mean in means]
    values = zip(means, gates, strides, strict=True)
    return confusion, [JoinMean(mean.value, gate.value if gate else None, stride) for mean, gate, stride in values]


class Mean:
    """A hook that averages what goes into a module over all pixels and images, channel by channel.

    Args:
        argument: which of the module's arguments.
    """

    def __init__(self, argument: int = 0) -> None:
        self.argument = argument
        self.total, self.images, self.height = torch.zeros(()), 0, 0

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[self.argument]
        self.total = self.total + x.detach().float().mean((2, 3)).sum(0)
        self.images, self.height = self.images + len(x), x.shape[-2]

    @property
    def value(self) -> Tensor:
        """(C,)."""
        return self.total / self.images


@contextlib.contextmanager
def hook_inputs(hooks: Sequence[tuple[nn.Module, Any]]) -> Iterator[None]:
    """Let the hooks see what goes into their modules as long as this lasts."""
    handles = [module.register_forward_pre_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def find_joins(model: nn.Module) -> Sequence[Join]:
    """List where a network's levels meet, finest first.

    Raises:
        UserError: it does not say so.
    """
    if isinstance(model, Levelled):
        return model.skip_joins()
    raise UserError(
        "`levels=True` needs a U-Net with skips at every level; "
        f"{type(model).__name__} does not say where its levels meet."
    )


def _count(modules: Sequence[nn.Module]) -> int:
    return sum(p.numel() for p in itertools.chain.from_iterable(m.parameters() for m in modules))
