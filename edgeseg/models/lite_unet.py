"""U-Net decoder of depthwise-separable convolutions on a pretrained mobile encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeseg.models.blocks import AnySize, ConvNorm, SeparableBlock
from edgeseg.models.efficientnet_lite import EfficientNetLite0
from edgeseg.models.joins import Join, unet_joins
from edgeseg.models.upsampling import enlarger, upsampler

CONTEXT = 96
DECODER = (64, 40, 24)


class GlobalContext(nn.Module):
    """Adds what the whole image shows to every pixel (the image-level branch of arXiv:1706.05587)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.local = ConvNorm(inputs, outputs, kernel=1, act=False)
        self.whole = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add the image's mean features to every pixel's: (N, C, H, W) to (N, K, H, W)."""
        return torch.relu(self.local(x) + self.whole(x.mean((2, 3), keepdim=True)))


class LiteUNet(AnySize):
    """U-Net (arXiv:1505.04597) on the first five stages of EfficientNet-Lite0, logits at half resolution.

    Args:
        channels: input channels.
        classes: output channels (logits).
        upsampling: see ``upsampling.py``.
    """

    def __init__(self, channels: int, classes: int, upsampling: str = "bilinear") -> None:
        super().__init__()
        self.encoder = EfficientNetLite0(channels)
        self.context = GlobalContext(self.encoder.widths[-1], CONTEXT)
        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        for coarse, fine, outputs in zip((CONTEXT, *DECODER), self.encoder.widths[-2::-1], DECODER, strict=False):
            up = upsampler(upsampling, coarse, fine)
            self.ups.append(up)
            self.decoder.append(SeparableBlock(up.channels + fine, outputs))
        self.head = nn.Conv2d(DECODER[-1], classes, 1)
        self.enlarge = enlarger(upsampling, classes, self.encoder.strides[0])
        self.stride = self.encoder.strides[-1]

    def logits(self, x: Tensor) -> Tensor:
        """Compute (N, K, H, W) logits of the padded input."""
        *skips, x = self.encoder(x)
        x = self.context(x)
        for up, block, skip in zip(self.ups, self.decoder, reversed(skips), strict=True):
            x = block(torch.cat((up(x, skip), skip), 1))
        return self.enlarge(self.head(x))  # type: ignore[no-any-return]

    def skip_joins(self) -> list[Join]:
        """List where the levels meet, finest first."""
        *finer, fourth, fifth = self.encoder.stages
        levels = [*([stage] for stage in finer), [fourth, fifth, self.context]]
        return unet_joins(levels, list(self.ups), list(self.decoder))  # type: ignore[arg-type]
