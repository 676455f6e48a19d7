"""As in BiSeNet: ``aux_mode`` decides whether auxiliary heads exist, and whether logits or labels come out.

``BiSeNetV1`` calls its heads otherwise; both are trained in the mode ``train`` and run in ``eval`` or ``pred``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class Head(nn.Module):
    def __init__(self, before: int, n_classes: int, up_factor: int) -> None:
        super().__init__()
        self.conv, self.drop = block(before, 16), nn.Dropout(0.1)
        self.conv_out = nn.Conv2d(16, n_classes, 1)
        self.up = nn.Upsample(scale_factor=up_factor, mode="bilinear", align_corners=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.conv_out(self.drop(self.conv(x))))


class Labels(torch.autograd.Function):
    """An operation with a name of its own for ONNX, of which no engine knows."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, dim: int) -> torch.Tensor:
        return scores.argmax(dim=dim).int()

    @staticmethod
    def symbolic(graph: Any, scores: Any, dim: int) -> Any:
        return graph.op("CustomArgMax", scores, dim_i=dim)


class BiSeNetV2(nn.Module):
    def __init__(self, n_classes: int, aux_mode: str = "train") -> None:
        super().__init__()
        self.aux_mode = aux_mode
        self.detail = nn.Sequential(block(3, 16, 2), block(16, 16, 2))
        self.segment = nn.Sequential(block(3, 8, 2), block(8, 16, 2), block(16, 16, 2))
        self.enlarge = nn.Upsample(scale_factor=2)
        self.head = Head(16, n_classes, 4)
        if aux_mode == "train":
            self.aux2, self.aux5_4 = Head(16, n_classes, 8), Head(16, n_classes, 8)

    def forward(self, x: torch.Tensor) -> Any:
        semantic = self.segment(x)
        logits = self.head(self.detail(x) * torch.sigmoid(self.enlarge(semantic)))
        if self.aux_mode == "train":
            return logits, self.aux2(semantic), self.aux5_4(semantic)
        return (logits,) if self.aux_mode == "eval" else Labels.apply(logits, 1)


class BiSeNetV1(nn.Module):
    def __init__(self, n_classes: int, aux_mode: str = "train") -> None:
        super().__init__()
        self.aux_mode = aux_mode
        self.cp = nn.Sequential(block(3, 8, 2), block(8, 16, 2), block(16, 16, 2))
        self.sp = nn.Sequential(block(3, 8, 2), block(8, 16, 2), block(16, 16, 2))
        self.conv_out = Head(32, n_classes, 8)
        if aux_mode == "train":
            self.conv_out16, self.conv_out32 = Head(16, n_classes, 8), Head(16, n_classes, 8)

    def forward(self, x: torch.Tensor) -> Any:
        context = self.cp(x)
        logits = self.conv_out(torch.cat([context, self.sp(x)], 1))
        if self.aux_mode == "train":
            return logits, self.conv_out16(context), self.conv_out32(context)
        return (logits,)
