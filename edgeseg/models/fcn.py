"""Fully convolutional networks: class scores at one, two or three strides, added and enlarged."""

from __future__ import annotations

from torch import Tensor, nn

from edgeseg.models.blocks import AnySize, Encoder, scale_channels
from edgeseg.models.upsampling import enlarger, upsampler

WIDTHS = (16, 32, 64, 96, 160, 160)


class FCN(AnySize):
    """FCN (Long et al. 2015, arXiv:1411.4038) on a compact residual encoder.

    Class scores are taken from the last ``levels`` stages; each coarser map is doubled and added to
    the finer one, and the sum is enlarged to the input.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the stage widths 16, 32, 64, 96, 160, 160.
        stem_stride: 2 doubles every stride, which is then 64 at most.
        upsampling: see ``upsampling.py``; unpooling puts a score where the finer scores of its class are highest.
    """

    levels: int

    def __init__(
        self, channels: int, classes: int, width: float = 1.0, stem_stride: int = 1, upsampling: str = "bilinear"
    ) -> None:
        super().__init__()
        widths = scale_channels(WIDTHS, width)
        self.encoder = Encoder(channels, widths, stem_stride)
        self.scores = nn.ModuleList(nn.Conv2d(inputs, classes, 1) for inputs in widths[-self.levels :])
        self.ups = nn.ModuleList(upsampler(upsampling, classes, classes) for _ in range(self.levels - 1))
        self.stride = self.encoder.stride
        self.enlarge = enlarger(upsampling, classes, self.stride // 2 ** (self.levels - 1))

    def logits(self, x: Tensor) -> Tensor:
        """Sum the scores of the deepest stages, coarse to fine: (N, C, H, W) to (N, K, H, W)."""
        features = self.encoder(x)[-self.levels :]
        scores = [score(feature) for score, feature in zip(self.scores, features, strict=True)]
        x = scores.pop()
        for up, finer in zip(self.ups, reversed(scores), strict=True):
            x = finer + up(x, finer)
        return self.enlarge(x)  # type: ignore[no-any-return]


class FCN32s(FCN):
    """Scores at stride 32 alone."""

    levels = 1


class FCN16s(FCN):
    """Scores at strides 32 and 16."""

    levels = 2


class FCN8s(FCN):
    """Scores at strides 32, 16 and 8."""

    levels = 3
