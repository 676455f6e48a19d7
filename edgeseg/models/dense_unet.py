"""Networks of dense 3x3 convolutions on few channels: what a CPU's INT8 units are fed best with.

Measured with ``benchmarks/blocks.py``: a depthwise convolution has a ninth of the arithmetic of a dense one and not a
ninth of its INT8 time, an inverted residual writes six times as many channels as it keeps, and at stride 2 memory
decides, not arithmetic. So there is one narrow convolution at stride 2, the rest begins at stride 4, levels meet by
addition, new activations are ReLU, and the scores are enlarged by repetition.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.models.blocks import AnySize, ConvNorm, Encoder, ResidualBlock, scale_channels
from edgeseg.models.efficientnet_lite import STEM, EfficientNetLite0, load_imagenet_weights
from edgeseg.models.lite_unet import GlobalContext
from edgeseg.models.options import Option
from edgeseg.models.upsampling import UPSAMPLING, enlarger, upsampler

REPEATED = Option("upsampling", "nearest", UPSAMPLING.allowed)
"""The default of these networks, whose engines repeat a byte faster than they mix it."""
STEM_WIDTH, FRONT_WIDTH, CONTEXT = 16, 32, 96
DECODER = (64, 32, 16)
TINY_WIDTHS = (16, 24, 48, 64)
TINY_DECODER = (32, 24, 16)


class SumBlock(nn.Module):
    """Doubles the coarse map, adds the finer one, both brought to the same channels, and a 3x3 convolution."""

    def __init__(self, upsampling: str, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.coarse = ConvNorm(coarse, outputs, kernel=1, act=False)
        self.fine = ConvNorm(fine, outputs, kernel=1, act=False)
        self.up = upsampler(upsampling, outputs, outputs)
        self.conv = ConvNorm(outputs, outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Join (N, C, h, w) and (N, F, 2h, 2w) to (N, K, 2h, 2w)."""
        fine = self.fine(fine)
        return self.conv(F.relu(self.up(self.coarse(coarse), fine) + fine))  # type: ignore[no-any-return]


class SumUNet(AnySize):
    """Encoder, the whole image's context, a decoder of sums, and scores at half resolution that are enlarged.

    Args:
        encoder: features at strides 2, 4, 8 and 16, finest first; has ``widths``.
        context: channels that the coarsest map is brought to.
        decoder: channels of the three levels, coarsest first.
        classes: output channels (logits).
        upsampling: kind of every doubling (``upsampling.py``).
    """

    stride = 16

    def __init__(
        self, encoder: FrontEncoder | Encoder, context: int, decoder: tuple[int, ...], classes: int, upsampling: str
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.context = GlobalContext(encoder.widths[-1], context)
        finer, coarser = encoder.widths[-2::-1], (context, *decoder)
        self.decoder = nn.ModuleList(
            SumBlock(upsampling, coarse, fine, outputs)
            for coarse, fine, outputs in zip(coarser, finer, decoder, strict=False)
        )
        self.head = nn.Conv2d(decoder[-1], classes, 1)
        self.enlarge = enlarger(upsampling, classes, 2)

    def logits(self, x: Tensor) -> Tensor:
        """Compute (N, K, H, W) logits of the padded input."""
        *skips, x = self.encoder(x)
        x = self.context(x)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(x, skip)
        return self.enlarge(self.head(x))  # type: ignore[no-any-return]


class FrontEncoder(nn.Module):
    """EfficientNet-Lite0 whose stem and first two stages are four dense convolutions.

    What is replaced took most of the time and holds 2 % of the weights; the published ones of stages 3 to 5 are kept.
    """

    widths = (STEM_WIDTH, 24, 40, 112)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = ConvNorm(channels, STEM_WIDTH, stride=2)
        self.front = nn.Sequential(
            ConvNorm(STEM_WIDTH, FRONT_WIDTH, stride=2),
            ResidualBlock(FRONT_WIDTH, FRONT_WIDTH),
            ResidualBlock(FRONT_WIDTH, FRONT_WIDTH),
            ConvNorm(FRONT_WIDTH, self.widths[1], kernel=1, act=False),
        )
        self.stages = EfficientNetLite0(STEM).stages[2:]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute features at strides 2, 4, 8 and 16, finest first."""
        fine = self.stem(x)
        quarter = self.front(fine)
        third, _, fifth = itertools.islice(
            itertools.accumulate(self.stages, lambda y, stage: stage(y), initial=quarter), 1, None
        )
        return [fine, quarter, third, fifth]


class FastUNet(SumUNet):
    """U-Net (arXiv:1505.04597) of sums on stages of EfficientNet-Lite0 behind a dense front.

    Args:
        channels: input channels.
        classes: output channels (logits).
        upsampling: see ``upsampling.py``; ``nearest`` unless said otherwise.
    """

    def __init__(self, channels: int, classes: int, upsampling: str = "nearest") -> None:
        super().__init__(FrontEncoder(channels), CONTEXT, DECODER, classes, upsampling)


class TinyUNet(SumUNet):
    """U-Net (arXiv:1505.04597) of sums and residual blocks, 0.2 M weights, from scratch.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the encoder's channels 16, 24, 48, 64 and of the decoder's.
        upsampling: see ``upsampling.py``; ``nearest`` unless said otherwise.
    """

    def __init__(self, channels: int, classes: int, width: float = 1.0, upsampling: str = "nearest") -> None:
        widths = scale_channels(TINY_WIDTHS, width)
        encoder = Encoder(channels, widths, 2, _tiny_stage)
        super().__init__(encoder, widths[-1], scale_channels(TINY_DECODER, width), classes, upsampling)


def _tiny_stage(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Nothing at stride 2, where memory decides; else two residual blocks."""
    if stride == 1:
        return nn.Identity()
    return nn.Sequential(ResidualBlock(inputs, outputs, stride), ResidualBlock(outputs, outputs))


def load_later_stages(encoder: FrontEncoder) -> None:
    """Fill stages 3 to 5 with the published weights; stem and front stay fresh.

    Raises:
        MissingExtra: the package with the weights is not installed.
    """
    published = EfficientNetLite0(3)
    load_imagenet_weights(published)
    encoder.stages.load_state_dict(published.stages[2:].state_dict())
