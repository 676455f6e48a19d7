"""Which levels of a U-Net does its answer come from?

A U-Net can end up using only its top levels: the skips at full resolution carry the image past
everything below, and the deep half is weight and arithmetic for nothing. Here each level's
contribution is taken away and the loss in mIoU is measured:

* *skip*: the level's own features, beside the coarser path, are replaced;
* *below*: the coarser path that comes up into the level is replaced, and so every deeper level is cut.

What is taken away is replaced by its mean over the data, channel by channel: zeros would also take
the constant part, which a bias could carry at no cost.

A network takes part by having ``joins()`` (:class:`Levelled`); the present U-Nets are recognised
by their parts.
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
from edgeseg.training.validation import Validator

Hook = Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...] | None]


@dataclass(frozen=True)
class Join:
    """Where the coarser path meets a level's skip.

    Attributes:
        level: 0 is the finest.
        module: its single argument is the (N, C, H, W) concatenation of coarse path and skip, in this order.
        coarse: channels of the coarse path.
        below: modules that nothing needs any more once the coarse path is cut here.
    """

    level: int
    module: nn.Module
    coarse: int
    below: tuple[nn.Module, ...]


@runtime_checkable
class Levelled(Protocol):
    """A network that says where its levels meet."""

    def joins(self) -> Sequence[Join]:
        """Finest first."""
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
        """The finest level below which everything can go at a cost of at most ``max_drop`` mIoU points."""
        return next((level for level in self.levels if level.below_loss <= max_drop), None)


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

    def score() -> float:
        miou = validator.confusion(model).mean_iou
        progress()
        return miou

    joins = joins_of(model)
    means = [Mean() for _ in joins]
    input_size = Mean()
    hooks = [(join.module, mean) for join, mean in zip(joins, means, strict=True)]
    with hooked([(model, input_size), *hooks]):
        whole = score()
    levels = []
    for join, mean in zip(joins, means, strict=True):
        losses = []
        for part in (slice(join.coarse, None), slice(0, join.coarse)):
            with hooked([(join.module, replacing(part, mean.value))]):
                losses.append(100 * (whole - score()))
        stride = 2 ** round(math.log2(input_size.height / mean.height))
        levels.append(Level(join.level, stride, losses[0], losses[1], _count(join.below)))
    return LevelReport(tuple(levels), whole, _count([model]))


class Mean:
    """A hook that averages what goes into a module over all pixels and images, channel by channel."""

    def __init__(self) -> None:
        self.total, self.images, self.height = torch.zeros(()), 0, 0

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        self.total = self.total + x.float().mean((2, 3)).sum(0)
        self.images, self.height = self.images + len(x), x.shape[-2]

    @property
    def value(self) -> Tensor:
        """(C,)."""
        return self.total / self.images


def replacing(part: slice, value: Tensor) -> Hook:
    """A hook that puts the (C,) ``value`` in place of the channels ``part`` of what goes into a module."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0].clone()
        x[:, part] = value[part, None, None].to(x.dtype)
        return (x,)

    return hook


@contextlib.contextmanager
def hooked(hooks: Sequence[tuple[nn.Module, Any]]) -> Iterator[None]:
    """The hooks see what goes into their modules as long as this lasts."""
    handles = [module.register_forward_pre_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def joins_of(model: nn.Module) -> Sequence[Join]:
    """Where a network's levels meet, finest first.

    Raises:
        UserError: it neither says so nor is built like :class:`edgeseg.models.unet.UNet`.
    """
    if isinstance(model, Levelled):
        return model.joins()
    encoder, decoder = getattr(model, "encoder", None), getattr(model, "decoder", None)
    stages = getattr(encoder, "stages", None)
    if isinstance(stages, nn.ModuleList) and isinstance(decoder, nn.ModuleList) and len(stages) == len(decoder) + 1:
        return _unet_joins(list(stages), list(decoder))
    raise UserError(
        f"--levels needs a U-Net with skips at every level; {type(model).__name__} does not say where its levels meet."
    )


def _unet_joins(stages: list[nn.Module], decoder: list[nn.Module]) -> list[Join]:
    """Decoder blocks are coarsest first; the coarse path comes from the stage or block just below."""
    deepest = len(decoder)
    joins = []
    for level, block in enumerate(reversed(decoder)):
        from_below = stages[-1] if level == deepest - 1 else decoder[deepest - level - 2]
        coarse = _channels(from_below)
        if _takes(block) != coarse + _channels(stages[level]):
            raise UserError(f"--levels: level {level} does not join {coarse} coarse channels with its skip.")
        joins.append(Join(level, block, coarse, (*stages[level + 1 :], *decoder[: deepest - level - 1])))
    return joins


def _takes(module: nn.Module) -> int:
    return next(m.in_channels for m in module.modules() if isinstance(m, nn.Conv2d))


def _channels(module: nn.Module) -> int:
    """What a stage or block gives: the channels of its last normalisation."""
    *_, last = (m for m in module.modules() if isinstance(m, nn.BatchNorm2d))
    return last.num_features


def _count(modules: Sequence[nn.Module]) -> int:
    return sum(p.numel() for p in itertools.chain.from_iterable(m.parameters() for m in modules))
