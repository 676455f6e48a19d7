"""Networks by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from edgeseg.errors import UserError
from edgeseg.models.fcn import FCN8s
from edgeseg.models.unet import UNet
from edgeseg.spec import ModelSpec

MODELS: Mapping[str, Callable[..., nn.Module]] = {"unet": UNet, "fcn8s": FCN8s}
WIDTH_RANGE = (0.25, 8.0)


def build_model(name: str, spec: ModelSpec, options: Mapping[str, Any] | None = None) -> nn.Module:
    """A network with fresh weights for ``spec``.

    Args:
        name: a key of :data:`MODELS`.
        spec: gives input channels and the number of logits.
        options: ``width`` (multiplier, 0.25 to 8) and ``stem_stride`` (1 or 2).

    Raises:
        UserError: unknown name (the closest is offered) or impossible options.
    """
    options = dict(options or {})
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, 1, 0.0)[0]
        raise UserError(f"There is no model {name!r}; did you mean {close!r}? Known: {', '.join(MODELS)}.")
    _check_options(options)
    return MODELS[name](spec.channels, spec.logit_channels, **options)


def count_weights(model: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _check_options(options: Mapping[str, Any]) -> None:
    if unknown := set(options) - {"width", "stem_stride"}:
        raise UserError(f"Unknown model options {sorted(unknown)}; known are width and stem_stride.")
    low, high = WIDTH_RANGE
    if not low <= float(options.get("width", 1.0)) <= high:
        raise UserError(f"--width must be {low} to {high}; found {options['width']}.")
    if options.get("stem_stride", 1) not in (1, 2):
        raise UserError(f"--stem-stride must be 1 or 2; found {options['stem_stride']}.")
