"""The weights in what a checkpoint holds: state dicts under any name, averaged ones known as such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.console.extras import require

DEEPEST = 4
USUAL = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "student",
    "segmentor",
    "encoder_decoder",
]
"""Names that weights are saved under, the likelier ones first."""
_AVERAGED = re.compile(r"(^|[._])(ema|averaged?|swa|shadow)([._]|$)")
_NO_WEIGHTS = re.compile(
    r"optim|sched|scaler|callback|loops|criterion|loss|metric|hyper_param|config|args|history|_extra_state"
)


@dataclass(frozen=True)
class StateDict:
    """Tensors by name, as they lie in a checkpoint.

    Attributes:
        place: names that lead to it, with dots; empty where the file is nothing else.
        tensors: by name.
        left_out: names beside them that hold no tensor.
    """

    place: str
    tensors: Mapping[str, Any]
    left_out: tuple[str, ...] = ()


def is_averaged(place: str) -> bool:
    """Tell whether names say that weights are an average over training (EMA, SWA)."""
    return _AVERAGED.search(place.lower()) is not None


def find_state_dicts(loaded: Any) -> list[StateDict]:
    """Find everything in a checkpoint that may be the weights of a network, the likeliest first.

    An average over training is likelier than what it is the average of: it is what its authors evaluate.

    Example:
        >>> import torch
        >>> [one.place for one in find_state_dicts({"epoch": 3, "model": {"a.weight": torch.zeros(1)}})]
        ['model']
    """
    found = list(_walk(loaded, ()))
    return sorted(found, key=lambda one: (not is_averaged(one.place), _rank(one.place), one.place.count(".")))


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[StateDict]:
    if not isinstance(value, Mapping) or len(path) > DEEPEST:
        return
    torch = require("torch", "export")
    tensors = {name: one for name, one in value.items() if isinstance(name, str) and isinstance(one, torch.Tensor)}
    if tensors and any("." in name or name in ("weight", "bias") for name in tensors):
        others = tuple(str(name) for name in value if name not in tensors)
        yield StateDict(".".join(path), tensors, others)
    for name, one in value.items():
        if isinstance(name, str) and isinstance(one, Mapping) and not _NO_WEIGHTS.search(name.lower()):
            yield from _walk(one, (*path, name))


def _rank(place: str) -> int:
    last = place.rpartition(".")[2]
    return USUAL.index(last) if last in USUAL else len(USUAL)
