"""A network that computes as its INT8 export will, with gradients: for quantisation-aware fine-tuning.

Jacob et al. 2018 (arXiv:1712.05877): values are rounded to the grid of INT8 on the way forward, and
gradients pass as if they were not (none outside the range). Rounding is torch's own
``fake_quantize_*``. What is rounded, and how, was read from what NNCF makes of these networks for
OpenVINO:

- weights: symmetric, one scale an output channel, -127..127; -63..63 in the first convolution, which
  keeps engines without VNNI from saturating;
- activations: symmetric, one scale a tensor (a channel in front of depthwise convolutions), 0..255
  where nothing is negative, else -128..127; in front of convolutions and interpolations, and both
  sides of sums and products.

The export rounds the weights of other networks together instead, and corrects their biases. Those of a network that
was tuned here stay on this grid, see :func:`edgeseg.calibration.quantizers.recipe.recipe_for`.

NNCF's own torch networks train under torch 2.13 too, but their rounding is a C++ extension that the
first use compiles: a minute of CPU, a compiler on the user's machine, and a lock that is left behind
when that is interrupted and that everybody later waits for.

Batch normalisation needs no folding here: it scales output channels, and the grid of the weights
scales with them. Its statistics stay those of the checkpoint, since the export folds them in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

FIRST_LEVEL, LEVEL = 63, 127
UNSIGNED, SIGNED = (0, 255), (-128, 127)
TINY = 1e-8

CONVOLUTIONS = (F.conv2d, F.conv_transpose2d)
PAIRS = (torch.add, Tensor.add, Tensor.__add__, torch.mul, Tensor.mul, Tensor.__mul__)

AtPlace = Callable[[int, Tensor, bool], Tensor]
"""Called with a place's number in the order of computation, what is there, and whether each channel has a scale."""


class FakeQuantised(nn.Module):
    """A network under the rounding of INT8; its own weights stay plain in :attr:`net`.

    It computes as in eval mode throughout (frozen batch statistics, one output). Ranges of
    activations are found as NNCF finds them, the mean over images of each one's extreme: in
    training over the batch at hand, otherwise over the images of the last :meth:`calibrate`. A
    running average over steps was tried instead: it lags, values outside it are clipped, and a
    network can learn to live on the clipping, which no export gives it.

    Args:
        net: a trained network; put into eval mode.
        images: (N, C, H, W) float32 network input, as in :meth:`calibrate`.
    """

    def __init__(self, net: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.net = net
        self.ranges = nn.ModuleList()
        self.train(False)
        with torch.no_grad(), _Rounding(self._place):
            net(images)

    def train(self, mode: bool = True) -> FakeQuantised:
        """Tell only convolutions of training, which some need (``StridedPointwise``)."""
        super().train(mode)
        for module in self.net.modules():
            module.training = mode and isinstance(module, nn.Conv2d)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, K, H, W) logits of (N, C, H, W) float32 network input."""
        with _Rounding(lambda place, values, _: self.ranges[place](values)):
            return self.net(x)  # type: ignore[no-any-return]

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Find the ranges for the present weights, as an export does.

        Args:
            images: (N, C, H, W) float32 network input.
        """
        with _Rounding(lambda place, values, _: self.ranges[place].find(values)):  # type: ignore[operator]
            self.net(images)

    def _place(self, place: int, values: Tensor, per_channel: bool) -> Tensor:
        self.ranges.append(ActivationRange(values, per_channel))
        return values


class ActivationRange(nn.Module):
    """Rounds the activations of one place to 256 levels.

    Args:
        values: (N, C, H, W) seen there first; they decide the range and whether it has a sign.
        per_channel: one scale a channel in place of one in all.
    """

    peak: Tensor

    def __init__(self, values: Tensor, per_channel: bool) -> None:
        super().__init__()
        self.per_channel = per_channel
        self.low, self.high = SIGNED if bool((values < 0).any()) else UNSIGNED
        self.register_buffer("peak", self._peak(values))

    def forward(self, values: Tensor) -> Tensor:
        """Round (N, C, H, W) values to the 256 levels; training follows their range."""
        values = values.float()
        peak = self._peak(values) if self.training else self.peak
        scale = peak.clamp(min=TINY) / self.high
        zero = torch.zeros_like(scale, dtype=torch.int32)
        if self.per_channel:
            return torch.fake_quantize_per_channel_affine(values, scale, zero, 1, self.low, self.high)
        return torch.fake_quantize_per_tensor_affine(values, scale, zero, self.low, self.high)

    def find(self, values: Tensor) -> Tensor:
        """Take the range from ``values``, which are returned as they are."""
        self.peak.copy_(self._peak(values))
        return values

    @torch.no_grad()
    def _peak(self, values: Tensor) -> Tensor:
        """(C,) or (1,): the mean over the images of each one's largest absolute value."""
        values = values.detach().float().abs()
        return values.amax((2, 3)).mean(0) if self.per_channel else values.amax((1, 2, 3)).mean()[None]


def round_weight(weight: Tensor, level: int = LEVEL, axis: int = 0) -> Tensor:
    """Round a convolution's weight to the grid of INT8, one scale for each index of ``axis``.

    Args:
        weight: (O, I, kh, kw) float32, or (I, O, kh, kw) with ``axis`` 1.
        level: the largest integer, 127 for all of INT8.
    """
    others = [dim for dim in range(weight.ndim) if dim != axis]
    scale = weight.detach().abs().amax(others).clamp(min=TINY) / level
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, axis, -level, level)


class _Rounding(TorchFunctionMode):
    """While entered, rounds what goes into convolutions, interpolations, sums and products."""

    def __init__(self, at_place: AtPlace) -> None:
        super().__init__()
        self.at_place, self.places, self.convolutions = at_place, 0, 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in CONVOLUTIONS:
            args = self._convolution(func, args, kwargs)
        elif func in PAIRS and all(isinstance(side, Tensor) and side.ndim == 4 for side in args[:2]):
            args = (self._activation(args[0]), self._activation(args[1]), *args[2:])
        elif func is F.interpolate:
            args = (self._activation(args[0]), *args[1:])
        return func(*args, **kwargs)

    def _convolution(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        x, weight, *rest = args
        transposed = func is F.conv_transpose2d
        place = 5 if transposed else 4  # of groups, behind the weight
        groups = rest[place] if len(rest) > place else kwargs.get("groups", 1)
        self.convolutions += 1
        level = FIRST_LEVEL if self.convolutions == 1 else LEVEL
        rounded = round_weight(weight, level, 1 if transposed and groups == 1 else 0)
        return self._activation(x, groups == x.shape[1] > 1), rounded, *rest

    def _activation(self, x: Tensor, per_channel: bool = False) -> Tensor:
        self.places += 1
        return self.at_place(self.places - 1, x, per_channel)
