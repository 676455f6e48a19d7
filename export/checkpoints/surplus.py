"""Weights that a network has no place for, because the part that they belong to was not built.

A network that is trained with auxiliary heads is usually run without them, and their weights are still in its file:
BiSeNet with ``aux_mode='eval'``, DDRNet and PIDNet with ``augment=False``. Such a part may be left out. Any other may
be one that the results depend on, such as attention or a deeper encoder, and left out it changes them silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_BESIDE = re.compile(r"aux|dsn|loss|criterion|deep_?sup", re.IGNORECASE)
"""In names of parts that only training knows."""
_GIVES_SCORES = re.compile(r"out|final|pred|score|logit|cls|class|head|extra|side", re.IGNORECASE)
"""In names of parts that give scores: heads, where their last convolution has a channel a class, or one."""


def absent_part(name: str, wanted: Iterable[str]) -> str | None:
    """Find the part of a network that a tensor belongs to and that was not built.

    Args:
        name: of the tensor, as the network would have it.
        wanted: names of the network's own tensors.

    Returns:
        The name of the outermost such part; None where the part is there and the tensor is not.

    Example:
        >>> absent_part("aux.conv.weight", ["body.conv.weight"])
        'aux'
        >>> absent_part("body.conv.bias", ["body.conv.weight"]) is None
        True
    """
    parts = name.split(".")
    built = {own[: place.start()] for own in wanted for place in re.finditer(r"\.", own)}
    found = (".".join(parts[:count]) for count in range(1, len(parts)))
    return next((part for part in found if part not in built), None)


def is_beside(part: str, inside: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether a part that was not built is one whose results are only used in training.

    Args:
        part: its name.
        inside: its tensors.
        wanted: the network's own tensors; its last convolution has a channel a class.
    """
    last = part.rpartition(".")[2]
    if _BESIDE.search(last):
        return True
    return bool(_GIVES_SCORES.search(last)) and _last_channels(inside) in {1, _last_channels(wanted)}


def _last_channels(tensors: Mapping[str, Any]) -> int | None:
    found = [int(one.shape[0]) for one in tensors.values() if one.ndim == 4]
    return found[-1] if found else None
