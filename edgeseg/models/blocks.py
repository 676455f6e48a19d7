"""Parts that the network families share."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

ONEDNN_BLOCK = 16
"""Channels that oneDNN's AVX-512 kernels take at once (8 with AVX2)."""


def scale_channels(widths: tuple[int, ...], multiplier: float) -> tuple[int, ...]:
    """Multiply channel counts, rounded to multiples of 8, at least 8."""
    return tuple(max(8, round(width * multiplier / 8) * 8) for width in widths)


class StridedPointwise(nn.Conv2d):
    """1x1 convolution with a stride, whose gradient does not crash.

    In channels last and with fewer input channels than one block, oneDNN writes past its workspace
    when it makes the gradient of the weights (uxlfoundation/oneDNN issue 6035): a segmentation
    fault, an abort or a wrong gradient on x86 CPUs without AMX under torch 2.13. Narrow layers
    pick the pixels first while they train; in eval mode, and so in exports, all are plain convolutions.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) to (N, K, H / stride, W / stride), training over the pixels that the stride keeps."""
        if not self.training or self.in_channels >= ONEDNN_BLOCK:
            return super().forward(x)
        step = self.stride[0]
        return F.conv2d(x[..., ::step, ::step], self.weight, self.bias)


class ConvNorm(nn.Sequential):
    """3x3 (or 1x1) convolution and batch normalisation, with ReLU when ``act``; zero padding unless ``valid``."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, act: bool = True, valid: bool = False
    ) -> None:
        kind = StridedPointwise if kernel == 1 and stride > 1 else nn.Conv2d
        conv = kind(inputs, outputs, kernel, stride, 0 if valid else kernel // 2, bias=False)
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
        """Add the block's output to its input: (N, C, H, W) to (N, K, H, W)."""
        return F.relu(self.body(x) + self.skip(x))


class DoubleConv(nn.Sequential):
    """U-Net's two 3x3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, valid: bool = False) -> None:
        super().__init__(ConvNorm(inputs, outputs, stride=stride, valid=valid), ConvNorm(outputs, outputs, valid=valid))


class SeparableBlock(nn.Sequential):
    """Two depthwise-separable 3x3 convolutions (Howard et al. 2017, arXiv:1704.04861)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(*_separable(inputs, outputs, stride), *_separable(outputs, outputs, 1))


def _separable(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, nn.Module]:
    depthwise = nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False), nn.BatchNorm2d(inputs)
    )
    return depthwise, ConvNorm(inputs, outputs, kernel=1)


class Encoder(nn.Module):
    """Strided stages, residual ones unless said otherwise, each half the resolution of the one before.

    Args:
        channels: input channels.
        widths: channels of each stage.
        stem_stride: 1 keeps the first stage at full resolution, 2 starts at half of it, which
            costs a quarter of the arithmetic.
        block: called with input channels, output channels and stride for each stage.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        stem_stride: int,
        block: Callable[[int, int, int], nn.Module] = ResidualBlock,
    ) -> None:
        super().__init__()
        self.stem = ConvNorm(channels, widths[0], stride=stem_stride)
        stages = [block(widths[0], widths[0], 1)]
        stages += [block(a, b, 2) for a, b in itertools.pairwise(widths)]
        self.stages = nn.ModuleList(stages)
        self.widths, self.stem_stride = widths, stem_stride
        self.stride = stem_stride * 2 ** (len(widths) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the features of every stage, finest first."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class PoolingEncoder(nn.Module):
    """Double convolutions with 2x2 max pooling between them, as U-Net was published.

    Args:
        channels, widths, stem_stride: as in :class:`Encoder`.
        valid: convolutions without padding, each of which takes a pixel from every edge.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], stem_stride: int = 1, valid: bool = False) -> None:
        super().__init__()
        stages = [DoubleConv(channels, widths[0], stride=stem_stride, valid=valid)]
        stages += [DoubleConv(a, b, valid=valid) for a, b in itertools.pairwise(widths)]
        self.stages = nn.ModuleList(stages)
        self.widths, self.stem_stride = widths, stem_stride
        self.stride = stem_stride * 2 ** (len(widths) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the features of every stage, finest first."""
        features = [self.stages[0](x)]
        for stage in self.stages[1:]:
            features.append(stage(F.max_pool2d(features[-1], 2)))
        return features


class AnySize(nn.Module):
    """Base of networks that take any input size.

    The input is padded with zeros (the mean grey, after normalisation) at the bottom and right to
    a multiple of :attr:`stride`, and the logits are cropped back.
    """

    stride: int

    def forward(self, x: Tensor) -> Tensor:
        """Segment normalised float32 (N, C, H, W): logits (N, K, H, W)."""
        return crop_to(self.logits(self.pad(x)), x)

    def pad(self, x: Tensor) -> Tensor:
        """Add zeros right and below until both sides are multiples of the stride."""
        height, width = x.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        return F.pad(x, (0, right, 0, below)) if below or right else x

    def logits(self, x: Tensor) -> Tensor:
        """Compute logits of the padded input; each network defines it."""
        raise NotImplementedError


def crop_to(logits: Tensor, image: Tensor) -> Tensor:
    """Cut off the top left of ``logits`` that lies over ``image``."""
    return logits[..., : image.shape[-2], : image.shape[-1]]
