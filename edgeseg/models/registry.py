"""Networks by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from edgeseg.errors import UserError
from edgeseg.formats import BUILT_IN
from edgeseg.models import efficientnet_lite
from edgeseg.models.attention_unet import AttentionUNet
from edgeseg.models.dense_unet import REPEATED, FastUNet, TinyUNet, load_later_stages
from edgeseg.models.fcn import FCN8s, FCN16s, FCN32s
from edgeseg.models.lite_unet import LiteUNet
from edgeseg.models.mobile_unet import MobileUNet
from edgeseg.models.options import STEM_STRIDE, WIDTH, Option, fill_defaults
from edgeseg.models.unet import PlainUNet, UNet
from edgeseg.models.unetpp import DEEP_SUPERVISION, DEPTH, UNetPlusPlus
from edgeseg.models.upsampling import NO_UNPOOLING, UPSAMPLING
from edgeseg.models.valid_unet import PUBLISHED_UPSAMPLING, ValidUNet
from edgeseg.spec import ModelSpec

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
ENGINES = tuple(one.tag for one in BUILT_IN.values())
"""Engines that networks were exported to, in ``tests/export/test_every_model.py``."""
IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Entry:
    """One network of the registry.

    Attributes:
        network: class; called with input channels, logits a pixel, and the options as keywords.
        summary: what it is, in a line.
        options: what it takes.
        pretrained: fills ``model.encoder`` with published weights, or None.
        normalisation: mean and std (RGB, of values scaled to 0..1) that training takes by default.
        engines: those that run it, of :data:`ENGINES`.
    """

    network: Callable[..., nn.Module]
    summary: str
    options: tuple[Option, ...] = (WIDTH, STEM_STRIDE, UPSAMPLING)
    pretrained: Callable[[Any], None] | None = None
    normalisation: Normalisation = IMAGENET
    engines: tuple[str, ...] = ENGINES


_LITE0 = (efficientnet_lite.load_imagenet_weights, efficientnet_lite.NORMALISATION)

_ALL = (WIDTH, STEM_STRIDE, UPSAMPLING)

MODELS: Mapping[str, Entry] = {
    "unet": Entry(UNet, "residual U-Net, strided, same padding"),
    "unet-plain": Entry(PlainUNet, "U-Net of double convolutions and max pooling, same padding"),
    "unet-valid": Entry(ValidUNet, "U-Net as published: valid, cropped skips, mirrored", (WIDTH, PUBLISHED_UPSAMPLING)),
    "attention-unet": Entry(AttentionUNet, "U-Net whose skips pass attention gates"),
    "unetpp": Entry(UNetPlusPlus, "U-Net++, can be cut to a depth", (*_ALL, DEPTH, DEEP_SUPERVISION)),
    "mobile-unet": Entry(MobileUNet, "U-Net of depthwise-separable convolutions"),
    "lite-unet": Entry(LiteUNet, "U-Net on a pretrained EfficientNet-Lite0", (UPSAMPLING,), *_LITE0),
    "fast-unet": Entry(
        FastUNet, "made for INT8: dense front, EfficientNet-Lite0 behind", (REPEATED,), load_later_stages, _LITE0[1]
    ),
    "tiny-unet": Entry(TinyUNet, "made for INT8 on the smallest devices", (WIDTH, REPEATED)),
    "fcn32s": Entry(FCN32s, "FCN with scores at stride 32", (WIDTH, STEM_STRIDE, NO_UNPOOLING)),
    "fcn16s": Entry(FCN16s, "FCN with scores at strides 16 and 32"),
    "fcn8s": Entry(FCN8s, "FCN with scores at strides 8, 16 and 32"),
}


def model_entry(name: str) -> Entry:
    """Look up the registry's line about a network.

    Raises:
        UserError: unknown name; the closest is offered.
    """
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, 1, 0.0)[0]
        raise UserError(f"There is no model {name!r}; did you mean {close!r}? Known: {', '.join(MODELS)}.")
    return MODELS[name]


def full_options(name: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Complete the options of a network: the given value, or the default.

    Raises:
        UserError: unknown name, an option the network does not take, or an impossible value.
    """
    return fill_defaults(name, model_entry(name).options, options or {})


def build_model(name: str, spec: ModelSpec, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a network with fresh weights for ``spec``.

    Args:
        name: a key of :data:`MODELS`.
        spec: gives input channels and the number of logits.
        options: of those that the network takes; the others have their defaults.

    Raises:
        UserError: see :func:`full_options`.
    """
    return model_entry(name).network(spec.channels, spec.logit_channels, **full_options(name, options))


def load_pretrained(name: str, model: nn.Module, spec: ModelSpec) -> None:
    """Fill the encoder of a fresh network with published weights.

    Args:
        name: a key of :data:`MODELS`.
        model: what :func:`build_model` gave for it.
        spec: gives the channel order; the published weights are for RGB, are turned for BGR and summed for grey.

    Raises:
        UserError: there are no published weights for this network.
        MissingExtra: the package that holds them is not installed.
    """
    fill = model_entry(name).pretrained
    if fill is None:
        having = ", ".join(known for known, entry in MODELS.items() if entry.pretrained)
        raise UserError(
            f"There are no pretrained weights for {name}, only for {having}; train with `pretrained=False`."
        )
    fill(model.encoder)
    if spec.color_order == "bgr":
        first = next(model.encoder.parameters())  # type: ignore[union-attr]
        first.data = first.data.flip(1)


def count_weights(model: nn.Module) -> int:
    """Count the trainable numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
