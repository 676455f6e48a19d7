"""U-Nets with same padding: one shape, and what fills it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgeseg.models.blocks import AnySize, DoubleConv, Encoder, PoolingEncoder, ResidualBlock, scale_channels
from edgeseg.models.joins import Join, unet_joins
from edgeseg.models.upsampling import enlarger, upsampler

WIDTHS = (16, 32, 64, 96, 128)


class UNetShape(AnySize):
    """Encoder, and a decoder that joins each doubled map with the encoder's of that size.

    Args:
        encoder: gives features finest first; has ``widths``, ``stride`` and ``stem_stride``.
        block: called with input and output channels for each level of the decoder.
        classes: output channels (logits).
        upsampling: kind of every doubling (``upsampling.py``).
    """

    def __init__(
        self,
        encoder: Encoder | PoolingEncoder,
        block: Callable[[int, int], nn.Module],
        classes: int,
        upsampling: str,
    ) -> None:
        super().__init__()
        widths = encoder.widths
        self.encoder = encoder
        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True):
            up = upsampler(upsampling, coarse, fine)
            self.ups.append(up)
            self.decoder.append(block(up.channels + fine, fine))
        self.head = nn.Conv2d(widths[0], classes, 1)
        self.enlarge = enlarger(upsampling, classes, encoder.stem_stride)
        self.stride = encoder.stride

    def logits(self, x: Tensor) -> Tensor:
        """Compute (N, K, H, W) logits of the padded input."""
        *skips, x = self.encoder(x)
        for level, skip in enumerate(reversed(skips)):
            joined = torch.cat((self.ups[level](x, skip), self.gate_skip(level, skip, x)), 1)
            x = self.decoder[level](joined)
        return self.enlarge(self.head(x))  # type: ignore[no-any-return]

    def skip_joins(self) -> list[Join]:
        """List where the levels meet, finest first."""
        return unet_joins([[stage] for stage in self.encoder.stages], list(self.ups), list(self.decoder))  # type: ignore[arg-type]

    def gate_skip(self, level: int, skip: Tensor, coarse: Tensor) -> Tensor:
        """Let through of ``skip`` what passes on decoder level ``level`` (0 is the coarsest): all of it."""
        return skip


class UNet(UNetShape):
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of residual blocks, strides in place of pooling.

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
        super().__init__(
            Encoder(channels, scale_channels(WIDTHS, width), stem_stride), ResidualBlock, classes, upsampling
        )


class PlainUNet(UNetShape):
    """U-Net (arXiv:1505.04597) as it is mostly built: double convolutions, max pooling, same padding.

    Arguments as in :class:`UNet`.
    """

    def __init__(
        self, channels: int, classes: int, width: float = 1.0, stem_stride: int = 1, upsampling: str = "bilinear"
    ) -> None:
        super().__init__(
            PoolingEncoder(channels, scale_channels(WIDTHS, width), stem_stride), DoubleConv, classes, upsampling
        )
