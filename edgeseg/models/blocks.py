"""Parts that the network families share."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def scaled(widths: tuple[int, ...], multiplier: float) -> tuple[int, ...]:
    """Channel counts times ``multiplier``, rounded to multiples of 8, at least 8."""
    return tuple(max(8, round(width * multiplier / 8) * 8) for width in widths)


class ConvNorm(nn.Sequential):
    """3x3 (or 1x1) convolution and batch normalisation, with ReLU when ``act``."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, act: bool = True) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), *([nn.ReLU(inplace=True)] if act else []))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip (He et al. 2016, arXiv:1512.03385, basic block)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(inputs, outputs, stride=stride),
            ConvNorm(outputs, outputs, act=False),
        )
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else ConvNorm(inputs, outputs, kernel=1, stride=stride, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(x))


class Encoder(nn.Module):
    """Residual stages, each half the resolution of the one before.

    Args:
        channels: input channels.
        widths: channels of each stage.
        stem_stride: 1 keeps the first stage at full resolution, 2 starts at half of it, which
            costs a quarter of the arithmetic.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], stem_stride: int) -> None:
        super().__init__()
        self.stem = ConvNorm(channels, widths[0], stride=stem_stride)
        stages = [ResidualBlock(widths[0], widths[0])]
        stages += [ResidualBlock(a, b, stride=2) for a, b in itertools.pairwise(widths)]
        self.stages = nn.ModuleList(stages)
        self.stride = stem_stride * 2 ** (len(widths) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of every stage, finest first."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class AnySize(nn.Module):
    """Base of networks that take any input size.

    The input is padded with zeros (the mean grey, after normalisation) at the bottom and right to
    a multiple of :attr:`stride`, and the logits are cropped back.
    """

    stride: int

    def forward(self, x: Tensor) -> Tensor:
        """Float32 (N, C, H, W) normalised input to (N, K, H, W) logits."""
        height, width = x.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            x = F.pad(x, (0, right, 0, below))
        return self.logits(x)[..., :height, :width]

    def logits(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def upsample(x: Tensor, scale: int) -> Tensor:
    """Bilinear interpolation by a whole factor, pixel centres aligned."""
    return F.interpolate(x, scale_factor=float(scale), mode="bilinear", align_corners=False)


def concat_upsampled(coarse: Tensor, fine: Tensor) -> Tensor:
    """The U-Net join: the coarse map at twice its size, beside the skip."""
    return torch.cat((upsample(coarse, 2), fine), 1)
