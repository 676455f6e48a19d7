"""Attention U-Net."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.blocks import DoubleConv, PoolingEncoder, scale_channels
from edgeseg.models.joins import Join, unet_joins
from edgeseg.models.unet import WIDTHS, UNetShape


class AttentionGate(nn.Module):
    """Lets through of a skip what the coarser map asks for (Oktay et al. 2018, arXiv:1804.03999, figure 2).

    Additive attention at the coarser map's resolution, one coefficient a pixel, enlarged bilinearly.

    Args:
        skip, coarse: channels of the two maps.
    """

    def __init__(self, skip: int, coarse: int) -> None:
        super().__init__()
        hidden = max(8, skip // 2)
        self.of_skip = nn.Conv2d(skip, hidden, 2, stride=2, bias=False)
        self.of_coarse = nn.Conv2d(coarse, hidden, 1)
        self.score = nn.Conv2d(hidden, 1, 1)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """Weigh a skip: (N, S, 2h, 2w) and (N, C, h, w) to (N, S, 2h, 2w)."""
        return skip * self.coefficients(skip, coarse)

    def coefficients(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """Compute the weight of each pixel: (N, 1, 2h, 2w), from 0 to 1."""
        score = self.score(F.relu(self.of_skip(skip) + self.of_coarse(coarse)))
        return F.interpolate(torch.sigmoid(score), scale_factor=2.0, mode="bilinear", align_corners=False)


class AttentionUNet(UNetShape):
    """U-Net of double convolutions whose skips pass :class:`AttentionGate`.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the stage widths 16, 32, 64, 96, 128.
        stem_stride: 1, or 2 to work at half resolution and enlarge the logits.
        upsampling: see ``upsampling.py``.
    """

    def __init__(
        self, channels: int, classes: int, width: float = 1.0, stem_stride: int = 1, upsampling: str = "bilinear"
    ) -> None:
        widths = scale_channels(WIDTHS, width)
        super().__init__(PoolingEncoder(channels, widths, stem_stride), DoubleConv, classes, upsampling)
        pairs = zip(widths[-2::-1], widths[:0:-1], strict=True)
        self.gates = nn.ModuleList(AttentionGate(skip, coarse) for skip, coarse in pairs)

    def skip_joins(self) -> list[Join]:
        """List where the levels meet, finest first; each has its gate."""
        stages = [[stage] for stage in self.encoder.stages]
        return unet_joins(stages, list(self.ups), list(self.decoder), list(self.gates))  # type: ignore[arg-type]

    def gate_skip(self, level: int, skip: Tensor, coarse: Tensor) -> Tensor:
        """Let through of ``skip`` what the level's gate finds relevant to ``coarse``."""
        return self.gates[level](skip, coarse)  # type: ignore[no-any-return]
