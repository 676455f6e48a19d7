"""Which of the results of a network are its logits, where it gives several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edgeseg.errors import SpecError
from edgeseg.spec import ModelSpec

USUAL = ("out", "logits", "pred", "prediction", "output", "seg", "semantic", "mask", "masks")
"""Names of the main result in a dictionary, as torchvision, Transformers and others have it."""
Place = tuple[Any, ...]


@dataclass(frozen=True)
class Chosen:
    """A network that gives one tensor.

    Attributes:
        module: the network, or a wrapper around it.
        output: the name of the result that was taken; empty where there is only one.
        note: what a person should know about it.
    """

    module: nn.Module
    output: str = ""
    note: str = ""


class OneOutput(nn.Module):
    """A network of which one result is wanted."""

    def __init__(self, net: nn.Module, place: Place) -> None:
        super().__init__()
        self.net, self.place = net, place

    def forward(self, x: torch.Tensor) -> Any:
        """Give that result alone."""
        found: Any = self.net(x)
        for key in self.place:
            found = getattr(found, key) if isinstance(key, str) and not isinstance(found, Mapping) else found[key]
        return found


def choose_output(net: nn.Module, found: Any, asked: str | None, spec: ModelSpec, is_said: bool) -> Chosen:
    """Find the logits among what a network gives.

    Args:
        net: the network.
        found: what it gives for a picture of the size of ``spec``.
        asked: the name of a result, or its number.
        spec: gives the size and the number of classes.
        is_said: whether the task is known, and with it the number of channels.

    Raises:
        SpecError: no tensor, no such name, or several that may be meant; all are listed.
    """
    tensors = dict(_list_tensors(found, ()))
    names = {".".join(map(str, place)): place for place in tensors}
    if not tensors:
        raise SpecError(
            f"The network gives a {type(found).__name__} without a tensor in it, and edgeseg needs its logits, "
            f"[1, {spec.logit_channels}, {spec.height}, {spec.width}]. Wrap it in a module that returns them alone."
        )
    if asked is not None and asked not in names:
        raise SpecError(f"The network gives no {asked!r}; it gives {_describe(tensors)}.")
    if tuple(tensors) == ((),):
        return Chosen(net)
    place = names[asked] if asked is not None else _find_usual(tensors, spec, is_said)
    if place is None:
        raise SpecError(
            f"The network gives {_describe(tensors)}, and nothing says which are its logits. Say it: "
            f"`logits={_name(next(iter(_candidates(tensors, spec, is_said) or tensors)))!r}`, or whichever it is."
        )
    others = [_name(one) for one in tensors if one != place]
    note = f"The network gives {_describe(tensors)}; {_name(place)!r} was taken as its logits." if others else ""
    return Chosen(OneOutput(net, place).eval(), _name(place), "" if asked is not None else note)


def list_results(found: Any) -> dict[str, torch.Tensor]:
    """List the tensors in what a network gives, by their names or numbers with dots between them."""
    return {_name(place): one for place, one in _list_tensors(found, ())}


def _list_tensors(found: Any, place: Place) -> list[tuple[Place, torch.Tensor]]:
    if isinstance(found, torch.Tensor):
        return [(place, found)]
    if isinstance(found, Mapping):
        inner: Any = found.items()
    elif hasattr(found, "_fields"):
        inner = [(name, getattr(found, name)) for name in found._fields]
    elif isinstance(found, list | tuple):
        inner = enumerate(found)
    else:
        inner = getattr(found, "__dict__", {}).items()
    return [one for key, value in inner if len(place) < 3 for one in _list_tensors(value, (*place, key))]


def _find_usual(tensors: Mapping[Place, torch.Tensor], spec: ModelSpec, is_said: bool) -> Place | None:
    if len(tensors) == 1:
        return next(iter(tensors))
    shaped = _candidates(tensors, spec, is_said)
    for name in USUAL:
        if (name,) in shaped:
            return (name,)
    whole = [place for place in shaped if tuple(tensors[place].shape[2:]) == (spec.height, spec.width)]
    return next((some[0] for some in (shaped, whole) if len(some) == 1), None)


def _candidates(tensors: Mapping[Place, torch.Tensor], spec: ModelSpec, is_said: bool) -> list[Place]:
    """The results with a channel a class."""
    channels = {spec.logit_channels} if is_said else {spec.num_classes, *([1] if spec.num_classes == 2 else [])}
    return [place for place, one in tensors.items() if one.ndim == 4 and one.shape[0] == 1 and one.shape[1] in channels]


def _describe(tensors: Mapping[Place, torch.Tensor]) -> str:
    shown = [f"{_name(place)} {list(one.shape)}" for place, one in list(tensors.items())[:8]]
    return ", ".join(shown) + (f", ... ({len(tensors)} in all)" if len(tensors) > 8 else "")


def _name(place: Place) -> str:
    return ".".join(map(str, place))
