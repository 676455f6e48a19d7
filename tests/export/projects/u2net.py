"""As in U-2-Net: a sigmoid for the fused mask and one for each side, all of the input's size, in a tuple."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def block(before: int, after: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(after), nn.ReLU()
    )


class Nested(nn.Module):
    """A small U inside of a stage, with its input added."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.start, self.down, self.deep = block(before, after), block(after, after), block(after, after, 2)
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.up = block(2 * after, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.start(x)
        inner = self.down(self.pool(first))
        deep = like(self.deep(inner) + inner, first)
        return self.up(torch.cat([deep, first], 1)) + first


def like(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, size=other.shape[2:], mode="bilinear", align_corners=False)


class U2NETP(nn.Module):
    def __init__(self, in_ch: int = 3, out_ch: int = 1) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.stage1, self.stage2, self.stage1d = Nested(in_ch, 8), Nested(8, 8), Nested(16, 8)
        self.side1, self.side2 = nn.Conv2d(8, out_ch, 3, padding=1), nn.Conv2d(8, out_ch, 3, padding=1)
        self.outconv = nn.Conv2d(2 * out_ch, out_ch, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        fine = self.stage1(x)
        coarse = self.stage2(self.pool(fine))
        joined = self.stage1d(torch.cat([like(coarse, fine), fine], 1))
        sides = [self.side1(joined), like(self.side2(coarse), joined)]
        fused = self.outconv(torch.cat(sides, 1))
        return torch.sigmoid(fused), *[torch.sigmoid(side) for side in sides]
