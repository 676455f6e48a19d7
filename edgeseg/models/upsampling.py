"""How a decoder doubles a map: interpolation, transposed convolution or max unpooling.

Every kind is an :class:`Upsampler`, called with the coarse map (N, C, h, w) and the finer one
(N, F, 2h, 2w) that it will meet. Only max unpooling looks at the finer map.

The size of a transposed convolution's output, for input size ``n``, kernel ``k``, stride ``s`` and
padding ``p`` (Dumoulin and Visin 2016, arXiv:1603.07285): ``s (n - 1) + k - 2 p``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.blocks import ConvNorm
from edgeseg.models.options import Option


def transposed_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Compute the side of a transposed convolution's output; 0 or less means that nothing is left."""
    return stride * (size - 1) + kernel - 2 * padding


class Upsampler(nn.Module):
    """Called with the coarse and the finer map; gives :attr:`channels` at the finer map's size."""

    channels: int


class Interpolation(Upsampler):
    """``nearest`` or ``bilinear`` (pixel centres aligned), no weights."""

    def __init__(self, channels: int, mode: str, scale: int = 2) -> None:
        super().__init__()
        self.channels, self.mode, self.scale = channels, mode, scale

    def forward(self, x: Tensor, fine: Tensor | None = None) -> Tensor:
        """Enlarge ``x`` by interpolation; ``fine`` is not looked at."""
        corners = None if self.mode == "nearest" else False
        return F.interpolate(x, scale_factor=float(self.scale), mode=self.mode, align_corners=corners)


class Transposed(Upsampler):
    """Transposed convolution that starts as bilinear interpolation (FCN, arXiv:1411.4038, section 3.3).

    One kernel a channel: FCN's kernels lie on the diagonal of (C, C) when they start, and what is off
    it would cost C times the arithmetic. The image's edge is met by zeros, so the outermost pixels
    start darker than those of an interpolation.
    """

    def __init__(self, channels: int, scale: int = 2) -> None:
        super().__init__()
        self.channels = channels
        kernel = 2 * scale
        self.conv = nn.ConvTranspose2d(channels, channels, kernel, scale, scale // 2, groups=channels, bias=False)
        ramp = 1 - (torch.arange(kernel) - (kernel - 1) / 2).abs() / scale
        self.conv.weight.data.copy_((ramp[:, None] * ramp).expand_as(self.conv.weight))

    def forward(self, x: Tensor, fine: Tensor | None = None) -> Tensor:
        """Enlarge ``x`` by a transposed convolution; ``fine`` is not looked at."""
        return self.conv(x)  # type: ignore[no-any-return]


class MaxUnpooling(Upsampler):
    """Each coarse value goes to where the finer map has its 2x2 maximum (SegNet, arXiv:1511.00561).

    A 1x1 convolution brings the coarse map to the finer one's channels where they differ.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.channels = fine
        self.match = nn.Identity() if coarse == fine else ConvNorm(coarse, fine, kernel=1)

    def forward(self, x: Tensor, fine: Tensor) -> Tensor:
        """Put each value of ``x`` where ``fine`` had the maximum of its 2x2 square."""
        return max_unpool(self.match(x), fine)


def max_unpool(x: Tensor, pooled: Tensor) -> Tensor:
    """Compute what ``nn.MaxUnpool2d(2)`` gives for the indices of ``nn.MaxPool2d(2)`` on ``pooled``, bit for bit.

    Without indices, which TensorRT's MaxPool cannot give: the four pixels of a window are compared
    with their maximum in reading order, and the first that equals it takes the value. Only
    comparisons, selections and reshapes.

    Args:
        x: (N, C, h, w).
        pooled: (N, C, 2h, 2w), without NaN.

    Returns:
        (N, C, 2h, 2w), zero where the maximum was not.
    """
    count, channels, height, width = x.shape
    windows = pooled.reshape(count, channels, height, 2, width, 2).permute(0, 1, 2, 4, 3, 5)
    phases = windows.reshape(count, channels, height, width, 4).unbind(-1)
    highest = torch.maximum(torch.maximum(phases[0], phases[1]), torch.maximum(phases[2], phases[3]))
    zero = torch.zeros_like(x)
    placed, free = [], torch.ones_like(x, dtype=torch.bool)
    for phase in phases:
        first = (phase == highest) & free
        free = free & ~first
        placed.append(torch.where(first, x, zero))
    upper, lower = (torch.stack(pair, -1) for pair in (placed[:2], placed[2:]))
    rows = torch.stack((upper, lower), 3)  # (N, C, h, 2, w, 2)
    return rows.reshape(count, channels, 2 * height, 2 * width)


UPSAMPLINGS: Mapping[str, Callable[[int, int], Upsampler]] = {
    "nearest": lambda coarse, fine: Interpolation(coarse, "nearest"),
    "bilinear": lambda coarse, fine: Interpolation(coarse, "bilinear"),
    "transposed": lambda coarse, fine: Transposed(coarse),
    "unpool": MaxUnpooling,
}

UPSAMPLING = Option("upsampling", "bilinear", tuple(UPSAMPLINGS))
NO_UNPOOLING = Option("upsampling", "bilinear", tuple(kind for kind in UPSAMPLINGS if kind != "unpool"))
"""Of networks in which no map meets a finer one."""


def upsampler(kind: str, coarse: int, fine: int) -> Upsampler:
    """Build a module that doubles a map.

    Args:
        kind: a key of :data:`UPSAMPLINGS`.
        coarse: channels of the map that is doubled.
        fine: channels of the map it will meet.
    """
    return UPSAMPLINGS[kind](coarse, fine)


def enlarger(kind: str, channels: int, scale: int) -> nn.Module:
    """Build the last step of a network, by ``scale`` and with no finer map to meet.

    Max unpooling has no pooling to undo there and is bilinear.
    """
    if scale == 1:
        return nn.Identity()
    if kind == "transposed":
        return Transposed(channels, scale)
    return Interpolation(channels, "nearest" if kind == "nearest" else "bilinear", scale)
