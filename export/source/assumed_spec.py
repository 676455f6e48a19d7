"""A network in memory of which only a part is known: what follows from itself, and what is assumed and said."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.errors import SpecError, UnsaidError
from edgeseg.export.hubs.agreement import describe_built
from edgeseg.export.hubs.hub_net import IMAGENET, name_classes
from edgeseg.export.source.module_source import WHAT, TorchNet, open_module
from edgeseg.export.source.onnx_from_torch import does_not_run
from edgeseg.export.source.source_net import SourceNet, SourceRequest
from edgeseg.export.specs.foreign_spec import SpecFlags

if TYPE_CHECKING:
    from torch import nn

MOST_CLASSES = 256


def open_in_memory(module: nn.Module, name: str, request: SourceRequest) -> SourceNet:
    """Bring a module to the form that exports start from, with what was said, what its library says, and the rest.

    The number of classes is that of the channels it gives. Colour order, mean and std are assumed as ImageNet's where
    nobody says any of them, which is a note; the size has to be said.

    Raises:
        UnsaidError: no size, classes that cannot be counted, or one of ``mean`` and ``std`` without the other.
        SpecError, CheckpointError: see :func:`~edgeseg.export.source.module_source.open_module`.
    """
    agreed = describe_built(module, WHAT, vars(request.said))
    flags, notes = complete(agreed.module, SpecFlags(**agreed.flags))
    net = TorchNet(agreed.module, name, notes=(*agreed.notes, *notes))
    return open_module(net, replace(request, flags=flags))


def complete(module: nn.Module, flags: SpecFlags) -> tuple[SpecFlags, tuple[str, ...]]:
    """Complete what is known of a module, with a sentence for each thing that was assumed.

    Raises:
        UnsaidError, SpecError: see :func:`open_in_memory`.
    """
    if flags.imgsz is None:
        raise UnsaidError(
            "Nobody said which size of picture this network takes. Give `imgsz=(H, W)`, or an example, a tensor "
            "[1, C, H, W] as it takes them.",
            ("imgsz",),
        )
    notes = []
    order = flags.color_order or ("gray" if input_channels(module) == 1 else "rgb")
    if flags.mean is None and flags.std is None:
        flags = replace(flags, mean=_usual("mean", order), std=_usual("std", order))
        notes.append(
            f"Nobody said how its pixels are prepared: {order.upper()} with ImageNet's mean and std is assumed. If "
            "training used another, say `color_order`, `mean` and `std`."
        )
    flags = replace(flags, color_order=order)
    if flags.classes is None:
        flags = replace(flags, classes=_count_classes(module, flags))
        assert flags.classes is not None
        shown = ", ".join(flags.classes[:3]) + (", ..." if len(flags.classes) > 3 else "")
        notes.append(f"Nobody named its classes: they are called {shown}. `classes` names them.")
    return flags, tuple(notes)


def input_channels(module: nn.Module) -> int | None:
    """Return the channels that the first convolution of a network takes; None where it has none."""
    torch = require("torch", "export")
    first = next((one for one in module.modules() if isinstance(one, torch.nn.Conv2d)), None)
    return None if first is None else int(first.in_channels)


def _usual(name: str, order: str) -> tuple[float, ...]:
    values: tuple[float, ...] = IMAGENET[name]
    if order == "gray":
        return (round(sum(values) / 3, 3),)
    return values[::-1] if order == "bgr" else values


def _count_classes(module: nn.Module, flags: SpecFlags) -> tuple[str, ...]:
    """Names for the channels of what a network gives."""
    found = _scores(module, flags)
    if found is None or found.ndim != 4 or not 1 <= found.shape[1] <= MOST_CLASSES:
        shown = "several results" if found is None else list(found.shape)
        raise UnsaidError(
            f"This network gives {shown} for a picture, and its classes cannot be counted there: that takes scores "
            "[1, K, H, W]. Say `classes=(NAME, NAME, ...)`.",
            ("classes",),
        )
    return name_classes(int(found.shape[1]))


def _scores(module: nn.Module, flags: SpecFlags) -> Any:
    """The one result of a network that holds its scores, or None where that is not plain."""
    torch = require("torch", "export")
    from edgeseg.export.checkpoints.one_output import USUAL, list_results

    assert flags.imgsz is not None
    height, width = flags.imgsz
    net = copy.deepcopy(module).cpu().float().eval()
    try:
        with torch.inference_mode():
            given = net(torch.zeros(1, 1 if flags.color_order == "gray" else 3, height, width))
    except Exception as error:  # the code of others may end in anything
        raise SpecError(does_not_run(flags.imgsz, error)) from error
    results = list_results(given)
    if flags.logits is not None:
        return results.get(flags.logits)
    if len(results) == 1:
        return next(iter(results.values()))
    return next((results[name] for name in USUAL if name in results), None)
