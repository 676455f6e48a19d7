"""As in Pytorch-UNet: logits of the input's size, ``mask_values`` beside the weights. Two levels in place of four."""

from __future__ import annotations

import torch
from torch import nn


def double_conv(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, n_channels: int, n_classes: int, bilinear: bool = False) -> None:
        super().__init__()
        self.inc = double_conv(n_channels, 8)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), double_conv(8, 16))
        self.up = (
            nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(16, 8, 1))
            if bilinear
            else nn.ConvTranspose2d(16, 8, 2, 2)
        )
        self.up1 = double_conv(16, 8)
        self.outc = nn.Conv2d(8, n_classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.inc(x)
        return self.outc(self.up1(torch.cat([fine, self.up(self.down1(fine))], 1)))
