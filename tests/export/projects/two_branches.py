"""As in DDRNet and PIDNet: scores at an eighth of the input, and heads that only exist with ``augment``.

DDRNet gives ``[main, extra]``, PIDNet ``[extra, main, boundary]``; both are saved as a part of a module that holds the
losses too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


def block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class Head(nn.Module):
    def __init__(self, before: int, inside: int, after: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(before), nn.Conv2d(before, inside, 3, padding=1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(inside), nn.Conv2d(inside, after, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(functional.relu(self.bn2(self.conv1(functional.relu(self.bn1(x))))))


class Pyramid(nn.Module):
    """Means over smaller and smaller grids, down to the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList([nn.AvgPool2d(5, 2, 2), nn.AdaptiveAvgPool2d((1, 1))])
        self.join = nn.Conv2d(3 * channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[-2:]
        more = [functional.interpolate(one(x), size=size, mode="bilinear") for one in self.scales]
        return self.join(torch.cat([x, *more], 1))


class TwoBranches(nn.Module):
    def __init__(self, num_classes: int, augment: bool) -> None:
        super().__init__()
        self.augment = augment
        self.stem = nn.Sequential(block(3, 16, 2), block(16, 16, 2), block(16, 24, 2))
        self.fine, self.coarse, self.spp = block(24, 24), block(24, 24, 2), Pyramid(24)
        if augment:
            self.make_extra(num_classes)
        self.final_layer = Head(24, 16, num_classes)

    def make_extra(self, num_classes: int) -> None:
        raise NotImplementedError

    def scores(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        fine = self.fine(x)
        coarse = functional.interpolate(self.spp(self.coarse(x)), size=fine.shape[-2:], mode="bilinear")
        return self.final_layer(fine + coarse), fine


class DDRNet(TwoBranches):
    def make_extra(self, num_classes: int) -> None:
        self.seghead_extra = Head(24, 16, num_classes)

    def forward(self, x: torch.Tensor) -> Any:
        main, fine = self.scores(x)
        return [main, self.seghead_extra(fine)] if self.augment else main


class PIDNet(TwoBranches):
    def make_extra(self, num_classes: int) -> None:
        self.seghead_p, self.seghead_d = Head(24, 16, num_classes), Head(24, 16, 1)

    def forward(self, x: torch.Tensor) -> Any:
        main, fine = self.scores(x)
        return [self.seghead_p(fine), main, self.seghead_d(fine)] if self.augment else main


def get_seg_model(cfg: Any) -> DDRNet:
    """DDRNet's own: whatever it is given, with ``augment``."""
    return DDRNet(3, augment=True)


def get_pred_model(name: str, num_classes: int) -> PIDNet:
    """PIDNet's own, for running."""
    assert name.startswith("pidnet")
    return PIDNet(num_classes, augment=False)
