"""Where the levels of a U-Net meet, and what it means to put a constant in place of one of them.

A part of what goes into a join is taken away by putting its mean there, channel by channel: zeros
would also take the constant part, which a bias carries at no cost. The mean stands beyond the edge
of the image, too, where a convolution otherwise sees zeros; only then is it a bias and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.blocks import DoubleConv, ResidualBlock, SeparableBlock
from edgeseg.models.upsampling import Upsampler


@dataclass(frozen=True)
class Join:
    """Where the coarser path meets a level's skip.

    Attributes:
        level: 0 is the finest.
        module: its single argument is the (N, C, H, W) concatenation of coarse path and skip, in this order.
        coarse: channels of the coarse path.
        below: modules that nothing needs any more once the coarse path is cut here.
        gate: called with the skip and the map that the coarse path came from, or None.
    """

    level: int
    module: nn.Module
    coarse: int
    below: tuple[nn.Module, ...]
    gate: nn.Module | None = None


def unet_joins(
    levels: Sequence[Sequence[nn.Module]],
    ups: Sequence[Upsampler],
    decoder: Sequence[nn.Module],
    gates: Sequence[nn.Module] = (),
) -> list[Join]:
    """List the joins of an encoder and a decoder, finest first.

    Args:
        levels: the encoder's modules of each level, finest first.
        ups, decoder, gates: coarsest first, one for each level but the last.
    """
    joins = []
    for level in range(len(decoder)):
        at = len(decoder) - 1 - level
        encoder = [module for deeper in levels[level + 1 :] for module in deeper]
        below = (*encoder, *ups[: at + 1], *decoder[:at], *gates[:at])
        joins.append(Join(level, decoder[at], ups[at].channels, below, gates[at] if gates else None))
    return joins


def readers(block: nn.Module) -> tuple[nn.Conv2d, ...]:
    """Find the convolutions that a block's input goes into."""
    whole: Any = block
    first: tuple[Any, ...]
    if isinstance(block, ResidualBlock):
        first = (whole.body[0][0], whole.skip[0])
    else:
        first = (whole[0][0],) if isinstance(block, DoubleConv | SeparableBlock) else (whole,)
    assert all(isinstance(convolution, nn.Conv2d) for convolution in first), block
    return first


def constant_value(convolution: nn.Conv2d, part: slice, mean: Tensor) -> Tensor:
    """Compute what a convolution adds to every pixel, (outputs,), for input channels that are the same everywhere.

    Args:
        convolution: its own bias is left out.
        part: which input channels.
        mean: (C,) of all of them.
    """
    weight = convolution.weight.detach()
    values = weight.new_zeros(convolution.in_channels, *convolution.kernel_size)
    values[part] = mean[part, None, None].to(weight)
    return F.conv2d(values[None], weight, groups=convolution.groups).flatten()


@contextlib.contextmanager
def constant_part(join: Join, part: slice, mean: Tensor, gate_mean: Tensor | None = None) -> Iterator[None]:
    """Replace a part of what goes into a join by its mean, as long as this lasts.

    Args:
        join: of the network.
        part: channels of the concatenation.
        mean: (C,) of the whole concatenation.
        gate_mean: of the map that the join's gate looks at; None leaves the gate alone.
    """
    handles = []
    for convolution in readers(join.module):
        constant = constant_value(convolution, part, mean)
        handles.append(convolution.register_forward_pre_hook(_zero(part)))
        handles.append(convolution.register_forward_hook(_plus(constant)))
    if join.gate is not None and gate_mean is not None:
        handles.append(join.gate.register_forward_pre_hook(_looking_at(gate_mean)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _zero(part: slice) -> Callable[[nn.Module, Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0].clone()
        x[:, part] = 0
        return (x,)

    return hook


def _plus(constant: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    return lambda module, inputs, output: output + constant[:, None, None].to(output.dtype)


def _looking_at(mean: Tensor) -> Callable[[nn.Module, Any], Any]:
    return lambda module, inputs: (inputs[0], mean[:, None, None].to(inputs[1].dtype).expand_as(inputs[1]))
