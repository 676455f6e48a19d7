"""U-Net of depthwise-separable convolutions."""

from __future__ import annotations

from edgeseg.models.blocks import Encoder, SeparableBlock, scale_channels
from edgeseg.models.unet import UNetShape

WIDTHS = (16, 32, 64, 128, 192)


class MobileUNet(UNetShape):
    """U-Net (arXiv:1505.04597) of depthwise-separable blocks (MobileNet, arXiv:1704.04861), from scratch.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the stage widths 16, 32, 64, 128, 192.
        stem_stride: 1, or 2 to work at half resolution and enlarge the logits.
        upsampling: see ``upsampling.py``.
    """

    def __init__(
        self, channels: int, classes: int, width: float = 1.0, stem_stride: int = 1, upsampling: str = "bilinear"
    ) -> None:
        encoder = Encoder(channels, scale_channels(WIDTHS, width), stem_stride, SeparableBlock)
        super().__init__(encoder, SeparableBlock, classes, upsampling)
