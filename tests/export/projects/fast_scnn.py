"""As in Fast-SCNN-pytorch: a tuple of one, or of two with ``aux``; means over grids that the size is no multiple of."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def separable(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before),
        nn.ReLU(),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def enlarge(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return functional.interpolate(x, size, mode="bilinear", align_corners=True)


class FastSCNN(nn.Module):
    def __init__(self, num_classes: int, aux: bool = False) -> None:
        super().__init__()
        self.learning_to_downsample = nn.Sequential(
            nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), separable(12, 24, 2)
        )
        self.global_feature_extractor = separable(24, 24, 2)
        self.pools = nn.ModuleList([nn.AdaptiveAvgPool2d(count) for count in (1, 2, 3)])
        self.join = nn.Conv2d(4 * 24, 24, 1)
        self.classifier = nn.Sequential(separable(24, 24), nn.Dropout(0.1), nn.Conv2d(24, num_classes, 1))
        if aux:
            self.auxlayer = nn.Sequential(nn.Conv2d(24, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, num_classes, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        fine = self.learning_to_downsample(x)
        coarse = self.global_feature_extractor(fine)
        grids = [enlarge(pool(coarse), coarse.shape[2:]) for pool in self.pools]
        joined = enlarge(self.join(torch.cat([coarse, *grids], 1)), fine.shape[2:])
        found = [enlarge(self.classifier(fine + joined), x.shape[2:])]
        if hasattr(self, "auxlayer"):
            found.append(enlarge(self.auxlayer(fine), x.shape[2:]))
        return tuple(found)
