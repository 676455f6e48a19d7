"""U-Net as first published: no padding inside, mirrored context outside, images tile by tile."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from edgeseg.errors import UserError
from edgeseg.models.blocks import DoubleConv, PoolingEncoder, crop_to, scale_channels
from edgeseg.models.joins import Join, unet_joins
from edgeseg.models.unet import WIDTHS
from edgeseg.models.upsampling import UPSAMPLING, Upsampler, upsampler

PUBLISHED_UPSAMPLING = dataclasses.replace(UPSAMPLING, default="transposed")
LOST = 4
"""Pixels of a side that two valid 3x3 convolutions take."""


class UpConv(Upsampler):
    """The paper's up-convolution: 2x2, stride 2, to the channels of the finer map."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.channels = fine
        self.conv = nn.ConvTranspose2d(coarse, fine, 2, 2)

    def forward(self, x: Tensor, fine: Tensor | None = None) -> Tensor:
        """Double ``x``, (N, C, h, w) to (N, K, 2h, 2w); ``fine`` is not looked at."""
        return self.conv(x)  # type: ignore[no-any-return]


class ValidUNet(nn.Module):
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597) with valid convolutions and cropped skips.

    Logits come only from pixels whose whole context was there: 572 pixels give 388, whatever the
    width. :meth:`forward` surrounds an image of any size with its mirror image, so that every pixel
    has its context, and :func:`overlap_tile` does so piece by piece with the same result. Batch
    normalisation, which the paper did not have, follows every 3x3 convolution.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the stage widths 16, 32, 64, 96, 128 (the paper: 64 to 1024).
        upsampling: ``transposed`` is the paper's 2x2 up-convolution; the others as in ``upsampling.py``,
            where ``bilinear`` gives up one more pixel of every edge, since it is not exact there.
    """

    def __init__(self, channels: int, classes: int, width: float = 1.0, upsampling: str = "transposed") -> None:
        super().__init__()
        widths = scale_channels(WIDTHS, width)
        self.encoder = PoolingEncoder(channels, widths, valid=True)
        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True):
            up = UpConv(coarse, fine) if upsampling == "transposed" else upsampler(upsampling, coarse, fine)
            self.ups.append(up)
            self.decoder.append(DoubleConv(up.channels + fine, fine, valid=True))
        self.head = nn.Conv2d(widths[0], classes, 1)
        self.blurred_edge = 1 if upsampling == "bilinear" else 0
        self.stride = self.encoder.stride

    def forward(self, x: Tensor) -> Tensor:
        """Segment normalised float32 (N, C, H, W): logits (N, K, H, W)."""
        height, width = (self.output_size(side) for side in x.shape[-2:])
        return crop_to(self.logits(self.surround(x, height, width)), x)

    def logits(self, x: Tensor) -> Tensor:
        """Compute (N, K, h, w) from (N, C, ``input_size(h)``, ``input_size(w)``)."""
        *skips, x = self.encoder(x)
        for up, block, skip in zip(self.ups, self.decoder, reversed(skips), strict=True):
            edge = self.blurred_edge
            skip = _center(skip, 2 * x.shape[-2], 2 * x.shape[-1])  # noqa: PLW2901
            joined = torch.cat((up(x, skip), skip), 1)
            x = block(_center(joined, joined.shape[-2] - 2 * edge, joined.shape[-1] - 2 * edge))
        return self.head(x)  # type: ignore[no-any-return]

    def skip_joins(self) -> list[Join]:
        """List where the levels meet, finest first."""
        return unet_joins([[stage] for stage in self.encoder.stages], list(self.ups), list(self.decoder))  # type: ignore[arg-type]

    def surround(self, x: Tensor, height: int, width: int) -> Tensor:
        """Put ``x`` in the middle of its mirror images, as :meth:`logits` takes it to give (height, width)."""
        rows, columns = (
            _mirror(side, self.margin, self.input_size(wanted), x.device)
            for side, wanted in zip(x.shape[-2:], (height, width), strict=True)
        )
        return x.index_select(-2, rows).index_select(-1, columns)

    @property
    def margin(self) -> int:
        """Pixels of context on each side of the output; 92 as published."""
        size = self.output_size(self.stride)
        return (self.input_size(size) - size) // 2

    def output_size(self, least: int) -> int:
        """Find the smallest side that the network can give and that is at least ``least``."""
        return next(size for size in range(least, least + self.stride) if self._bottom(size) is not None)

    def input_size(self, output: int) -> int:
        """Find the side that gives ``output``.

        Raises:
            UserError: no side gives it.
        """
        size = self._bottom(output)
        if size is None:
            raise UserError(
                f"A valid U-Net cannot give {output} pixels; the next it can is {self.output_size(output)}."
            )
        size += LOST
        for _ in self.decoder:
            size = 2 * size + LOST
        return size

    def _bottom(self, output: int) -> int | None:
        """Side of the coarsest map behind its convolutions, or None where a side would be odd."""
        size = output
        for _ in self.decoder:
            size += LOST + 2 * self.blurred_edge
            if size % 2:
                return None
            size //= 2
        return size if size > 0 else None


def overlap_tile(model: ValidUNet, x: Tensor, tile: int) -> Tensor:
    """Compute the logits of ``model`` tile by tile: the memory of a tile, and no seams.

    Args:
        model: in eval mode.
        x: float32 (N, C, H, W).
        tile: side of a tile in pixels, a multiple of 16.

    Raises:
        UserError: ``tile`` is no multiple of the network's stride, so that its poolings would fall elsewhere.
    """
    if tile < model.stride or tile % model.stride:
        raise UserError(f"A tile must be a multiple of {model.stride} pixels; found {tile}.")
    size = model.output_size(tile)
    need = model.input_size(size)
    down, across = (-(-side // tile) for side in x.shape[-2:])
    whole = model.surround(x, *(model.output_size(tile * count + size - tile) for count in (down, across)))
    rows = [
        torch.cat(
            [
                model.logits(whole[..., tile * i : tile * i + need, tile * j : tile * j + need])[..., :tile, :tile]
                for j in range(across)
            ],
            -1,
        )
        for i in range(down)
    ]
    return crop_to(torch.cat(rows, -2), x)


def _center(x: Tensor, height: int, width: int) -> Tensor:
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def _mirror(side: int, before: int, total: int, device: torch.device) -> Tensor:
    """``total`` indices into ``side`` pixels, from ``before`` pixels in front of them, reflected at both ends."""
    period = max(1, 2 * (side - 1))
    turns = [(index - before) % period for index in range(total)]
    return torch.tensor([min(turn, period - turn) for turn in turns], device=device)
