"""Fully convolutional network with skips at stride 8."""

from __future__ import annotations

from torch import Tensor, nn

from edgeseg.models.blocks import AnySize, Encoder, scaled, upsample

WIDTHS = (16, 32, 64, 96, 160, 160)


class FCN8s(AnySize):
    """FCN-8s (Long et al. 2015, arXiv:1411.4038) on a compact residual encoder.

    Class scores are taken at strides 8, 16 and 32; each coarser map is upsampled by two and added
    to the finer one, and the sum is upsampled by eight.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the stage widths 16, 32, 64, 96, 160, 160.
        stem_stride: kept for symmetry with U-Net; 2 doubles every stride, which is then 64 at most.
    """

    def __init__(self, channels: int, classes: int, width: float = 1.0, stem_stride: int = 1) -> None:
        super().__init__()
        widths = scaled(WIDTHS, width)
        self.encoder = Encoder(channels, widths, stem_stride)
        self.scores = nn.ModuleList(nn.Conv2d(inputs, classes, 1) for inputs in widths[3:])
        self.stem_stride = stem_stride
        self.stride = self.encoder.stride

    def logits(self, x: Tensor) -> Tensor:
        eighth, sixteenth, thirty_second = (
            score(feature) for score, feature in zip(self.scores, self.encoder(x)[3:], strict=True)
        )
        x = sixteenth + upsample(thirty_second, 2)
        x = eighth + upsample(x, 2)
        return upsample(x, 8 * self.stem_stride)
