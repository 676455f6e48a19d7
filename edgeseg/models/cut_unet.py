"""A U-Net without its deeper levels, which have become the biases of one block."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import UserError
from edgeseg.models.attention_unet import AttentionGate, AttentionUNet
from edgeseg.models.blocks import AnySize, DoubleConv, ResidualBlock, SeparableBlock
from edgeseg.models.joins import constant_value
from edgeseg.models.lite_unet import LiteUNet
from edgeseg.models.unet import UNetShape


class CutUNet(AnySize):
    """What is left of a U-Net when everything below a level is a constant.

    Gives the logits of the whole network with that constant in the place of its coarse path
    (:func:`edgeseg.models.joins.constant_part`), at every pixel and for every input size: it pads
    to the whole network's stride.

    Args:
        whole: a :class:`UNetShape` or :class:`LiteUNet`; left alone.
        level: the deepest to keep, 0 is the finest.
        mean: (C,) of what goes into that level's join.
        gate_mean: of the map below it, for a network with gates.
    """

    def __init__(self, whole: UNetShape | LiteUNet, level: int, mean: Tensor, gate_mean: Tensor | None = None) -> None:
        super().__init__()
        join = whole.skip_joins()[level]
        kept: Any = copy.deepcopy(whole)
        at = len(kept.decoder) - level
        self.encoder = kept.encoder
        self.encoder.stages = kept.encoder.stages[: level + 1]
        self.gate = _steady(join.gate, gate_mean)
        self.deepest = without_coarse(kept.decoder[at - 1], join.coarse, mean)
        self.ups, self.decoder = kept.ups[at:], kept.decoder[at:]
        gates = kept.gates[at:] if isinstance(kept, AttentionUNet) else [_Open() for _ in self.decoder]
        self.gates = nn.ModuleList(gates)
        self.head, self.enlarge, self.stride = kept.head, kept.enlarge, kept.stride

    def logits(self, x: Tensor) -> Tensor:
        """Compute (N, K, H, W) logits, with constants in place of everything below the cut."""
        *skips, x = self.encoder(x)
        x = self.deepest(self.gate(x))
        for up, gate, block, skip in zip(self.ups, self.gates, self.decoder, reversed(skips), strict=True):
            x = block(torch.cat((up(x, skip), gate(skip, x)), 1))
        return self.enlarge(self.head(x))  # type: ignore[no-any-return]


def cut_below(model: nn.Module, level: int, mean: Tensor, gate_mean: Tensor | None = None) -> CutUNet:
    """Build a network without anything below ``level``; arguments as in :class:`CutUNet`.

    Raises:
        UserError: no network whose levels can be cut, or it has no such level.
    """
    check_cut(model, level)
    assert isinstance(model, UNetShape | LiteUNet)
    return CutUNet(model, level, mean, gate_mean).eval()


def can_cut(model: nn.Module) -> bool:
    """Tell whether :func:`cut_below` takes a network."""
    return isinstance(model, UNetShape | LiteUNet)


def check_cut(model: nn.Module, level: int) -> None:
    """Raise UserError when :func:`cut_below` would."""
    if not isinstance(model, UNetShape | LiteUNet):
        raise UserError(
            f"`drop_levels` cuts a U-Net with same padding; this is a {type(model).__name__}. "
            "A U-Net++ is cut by: `cut_to_depth(CKPT, depth=N)`"
        )
    deepest = len(model.decoder) - 1
    if not 0 <= level <= deepest:
        raise UserError(
            f"`drop_levels` must be 0 (keep the finest level alone) to {deepest} (cut only what lies below the "
            f"deepest skip); found {level}. `measure_levels(CKPT)` says what each costs."
        )


def without_coarse(block: nn.Module, coarse: int, mean: Tensor) -> nn.Module:
    """Build a decoder's block that takes the skip alone.

    Args:
        block: in eval mode; takes (coarse path, skip). Changed.
        coarse: channels of the coarse path.
        mean: (C,) of the whole input; the coarse path's becomes a bias.
    """
    if isinstance(block, SeparableBlock):
        _fold_separable(block, coarse, mean)
    elif isinstance(block, ResidualBlock):
        _fold(block.body[0], coarse, mean)
        _fold(block.skip, coarse, mean)
    else:
        assert isinstance(block, DoubleConv), block
        _fold(block[0], coarse, mean)
    return block


def _fold(layer: Any, coarse: int, mean: Tensor) -> None:
    """In place of a ConvNorm's first ``coarse`` input channels, a bias."""
    layer[0] = _narrow(layer[0], coarse, constant_value(layer[0], slice(0, coarse), mean))


def _fold_separable(block: SeparableBlock, coarse: int, mean: Tensor) -> None:
    """A depthwise convolution hands the constant on to the pointwise one behind it."""
    first: Any = block[0]
    depthwise, norm = first
    behind = norm(constant_value(depthwise, slice(0, coarse), mean)[None, :, None, None]).detach().flatten()
    kept = depthwise.in_channels - coarse
    kind = depthwise.weight.dtype
    narrow = nn.Conv2d(kept, kept, 3, depthwise.stride, depthwise.padding, groups=kept, bias=False, dtype=kind)
    narrow.weight.data.copy_(depthwise.weight[coarse:])
    block[0] = nn.Sequential(narrow, _keep_norm(norm, coarse))
    _fold(block[1], coarse, behind)


def _narrow(convolution: Any, coarse: int, constant: Tensor) -> nn.Conv2d:
    narrow = nn.Conv2d(
        convolution.in_channels - coarse,
        convolution.out_channels,
        convolution.kernel_size,
        convolution.stride,
        convolution.padding,
        dtype=convolution.weight.dtype,
    )
    narrow.weight.data.copy_(convolution.weight[:, coarse:])
    assert narrow.bias is not None
    narrow.bias.data.copy_(constant)
    return narrow


def _keep_norm(norm: nn.BatchNorm2d, coarse: int) -> nn.BatchNorm2d:
    kept = nn.BatchNorm2d(norm.num_features - coarse, eps=norm.eps, dtype=norm.weight.dtype)
    kept.load_state_dict({name: value[coarse:] if value.ndim else value for name, value in norm.state_dict().items()})
    return kept


def _steady(gate: nn.Module | None, mean: Tensor | None) -> nn.Module:
    if gate is None:
        return nn.Identity()
    assert isinstance(gate, AttentionGate)
    assert mean is not None
    return _SteadyGate(gate, mean)


class _SteadyGate(nn.Module):
    """An attention gate whose coarser map is the same everywhere."""

    def __init__(self, gate: AttentionGate, mean: Tensor) -> None:
        super().__init__()
        of_skip = gate.of_skip
        self.of_skip = nn.Conv2d(of_skip.in_channels, of_skip.out_channels, 2, stride=2, dtype=of_skip.weight.dtype)
        self.of_skip.weight.data.copy_(of_skip.weight)
        self.of_skip.bias.data.copy_(gate.of_coarse(mean[None, :, None, None]).flatten())  # type: ignore[union-attr]
        self.score = copy.deepcopy(gate.score)

    def forward(self, skip: Tensor) -> Tensor:
        score = torch.sigmoid(self.score(F.relu(self.of_skip(skip))))
        return skip * F.interpolate(score, scale_factor=2.0, mode="bilinear", align_corners=False)


class _Open(nn.Module):
    """A gate that lets everything through."""

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        return skip
