"""A trained network that does not compute finite numbers is refused before anything is exported.

Two such networks agree with each other: both give every pixel the first label. No comparison of masks sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.errors import CheckpointError
from edgeseg.image import Float32

if TYPE_CHECKING:
    from torch import nn


_NEXT = "It cannot segment; export an earlier checkpoint, or train again with a lower `lr`."


def check_weights(model: nn.Module, path: Path | str) -> None:
    """Look at every weight and at every statistic of a normalisation.

    Args:
        model: the network.
        path: its checkpoint, or what to call it, for the message.

    Raises:
        CheckpointError: one is NaN or infinite; the first such layer is named.
    """
    torch = require("torch", "export")
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            layer, _, kind = name.rpartition(".")
            raise CheckpointError(f"The layer {layer} of {path} has NaN or infinity in its {kind}. {_NEXT}")


def check_activations(model: nn.Module, inputs: Sequence[Float32], path: Path | str) -> None:
    """Look at what every layer gives for ordinary pictures.

    Args:
        model: in eval mode; normalised float32 ``[1, C, H, W]`` to logits.
        inputs: such arrays.
        path: its checkpoint, or what to call it, for the message.

    Raises:
        CheckpointError: something is NaN or infinite; the first such layer is named.
    """
    if (layer := _find_broken(model, inputs)) is not None:
        raise CheckpointError(f"The layer {layer} of {path} gives NaN or infinity for an ordinary picture. {_NEXT}")


def _find_broken(model: nn.Module, inputs: Sequence[Float32]) -> str | None:
    """The innermost module that is done first with a result that is not finite."""
    torch = require("torch", "export")
    broken: list[str] = []

    def watch(name: str) -> Any:
        def look(module: nn.Module, given: Any, result: Any) -> None:
            if isinstance(result, torch.Tensor) and not torch.isfinite(result).all():
                broken.append(name)

        return look

    layers = [one for one in model.named_modules() if not isinstance(one[1], torch.jit.ScriptModule)]
    hooks = [module.register_forward_hook(watch(name or "output")) for name, module in layers]
    try:
        with torch.inference_mode():
            for values in inputs:
                watch("output")(model, None, model(torch.from_numpy(values)))
    finally:
        for hook in hooks:
            hook.remove()
    return broken[0] if broken else None
