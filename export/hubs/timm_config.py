"""How a timm network takes its pixels: the `'pretrained_cfg'` that every one of them carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def describe_config(config: Any) -> Mapping[str, Any] | None:
    """Return colour order, mean and std of a `'pretrained_cfg'`, an object or a dictionary; None where it has none."""
    values: Mapping[str, Any] = config if isinstance(config, Mapping) else vars(config)
    mean: Any = values.get("mean")
    std: Any = values.get("std")
    if not (_is_triple(mean) and _is_triple(std)):
        return None
    return {"color_order": "rgb", "mean": tuple(map(float, mean)), "std": tuple(map(float, std))}


def find_config(module: nn.Module) -> Mapping[str, Any] | None:
    """Find what timm says of the first part of a network that it built: an encoder inside it, or the whole."""
    for part in module.modules():
        config = getattr(part, "pretrained_cfg", None) or getattr(part, "default_cfg", None)
        if config is not None and (found := describe_config(config)) is not None:
            return found
    return None


def _is_triple(values: Any) -> bool:
    return isinstance(values, list | tuple) and len(values) == 3 and all(isinstance(v, int | float) for v in values)
