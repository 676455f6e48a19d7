"""Compact residual U-Net."""

from __future__ import annotations

from torch import Tensor, nn

from edgeseg.models.blocks import AnySize, Encoder, ResidualBlock, concat_upsampled, scaled, upsample

WIDTHS = (16, 32, 64, 96, 128)


class UNet(AnySize):
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of residual blocks, same padding.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the stage widths 16, 32, 64, 96, 128.
        stem_stride: 1, or 2 to work at half resolution and upsample the logits.
    """

    def __init__(self, channels: int, classes: int, width: float = 1.0, stem_stride: int = 1) -> None:
        super().__init__()
        widths = scaled(WIDTHS, width)
        self.encoder = Encoder(channels, widths, stem_stride)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.decoder = nn.ModuleList(ResidualBlock(coarse + fine, fine) for coarse, fine in pairs)
        self.head = nn.Conv2d(widths[0], classes, 1)
        self.stem_stride = stem_stride
        self.stride = self.encoder.stride

    def logits(self, x: Tensor) -> Tensor:
        *skips, x = self.encoder(x)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(concat_upsampled(x, skip))
        x = self.head(x)
        return x if self.stem_stride == 1 else upsample(x, self.stem_stride)
