"""Networks of the libraries that a program or a call built: what the library says about them, by their class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeseg.export.hubs.hub_net import IMAGENET, HubNet, name_classes, same_size
from edgeseg.export.hubs.timm_config import find_config

if TYPE_CHECKING:
    from torch import nn

TORCHVISION = "torchvision.models.segmentation"
TORCHVISION_SIZE = (520, 520)
VOC = (
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
)
"""The 21 classes of torchvision's own weights, as their ``meta['categories']`` has them."""
NO_DOWNLOAD: Mapping[str, Mapping[str, Any]] = {
    "torchvision.models": {"weights_backbone": None},
    "segmentation_models_pytorch": {"encoder_weights": None},
}
"""Arguments that keep a library from fetching an encoder's weights, where those of the whole network are given."""


def complete_keywords(module: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Add the arguments of a call that keep its library from downloading what a file of weights replaces.

    >>> complete_keywords("torchvision.models.segmentation", {"num_classes": 3})
    {'weights_backbone': None, 'num_classes': 3}
    """
    added = next((more for start, more in NO_DOWNLOAD.items() if f"{module}.".startswith(f"{start}.")), {})
    return {**added, **keywords}


def describe_module(net: nn.Module, what: str) -> HubNet | None:
    """Say what the library of a network says about it; None where it is of none.

    Args:
        net: as its library built it.
        what: what it is called in messages.
    """
    homes = [kind.__module__ for kind in type(net).__mro__]
    if any(home.startswith(TORCHVISION) for home in homes):
        return _describe_torchvision(net, what)
    if any(home.startswith("transformers.") for home in homes) and "Semantic" in type(net).__name__:
        return HubNet(same_size(net, "logits"), what)
    pixels = find_config(net)
    if any(home.startswith("segmentation_models_pytorch.") for home in homes):
        return HubNet(same_size(net), what, assumes=pixels or {})
    return None if pixels is None else HubNet(net, what, assumes=pixels, notes=(("mean", _of_timm(pixels)),))


def _of_timm(pixels: Mapping[str, Any]) -> str:
    mean, std = (" ".join(f"{value:.4g}" for value in pixels[name]) for name in ("mean", "std"))
    return (
        f"Pixels are prepared as timm says of the encoder ('pretrained_cfg'): RGB, mean {mean}, std {std}. If training "
        "used another, say `mean`, `std` and `color_order`."
    )


def _describe_torchvision(net: nn.Module, what: str) -> HubNet:
    count = count_classes(net.state_dict())
    is_voc = count == len(VOC.split())
    classes = tuple(VOC.split()) if is_voc else name_classes(count)
    named = "those of torchvision's own weights" if is_voc else f"called {', '.join(classes[:3])}, ..."
    size = "x".join(map(str, TORCHVISION_SIZE))
    notes = (
        ("mean", "Pixels are prepared as for torchvision's own weights: RGB, ImageNet's mean and std."),
        ("classes", f"The weights name no classes: they are {named}. `classes` names them."),
        ("imgsz", f"The weights say no size: {size} is taken, as torchvision does. `imgsz` gives that of training."),
    )
    assumes = {**IMAGENET, "classes": classes, "imgsz": TORCHVISION_SIZE}
    return HubNet(same_size(net, "out"), what, {}, assumes, notes)


def count_classes(state: Mapping[str, Any]) -> int:
    """Count the channels that the classifier of a torchvision network gives, by its weights; 0 where it has none.

    >>> import torch
    >>> count_classes({"module.classifier.0.bias": torch.zeros(8), "module.classifier.4.bias": torch.zeros(5)})
    5
    """
    found = [name for name in state if f".{name}".rfind(".classifier.") >= 0 and name.endswith(".bias")]
    return int(state[found[-1]].shape[0]) if found else 0


def without_weights(name: str, text: str) -> str:
    """Say how the weights of a network of torchvision come to be a file."""
    get = f"t.models.get_model('{name}', weights='DEFAULT').state_dict()"
    return (
        f"{text!r} needs the file with its weights: `weights`. torchvision's own become one with: "
        f"python -c \"import torch, torchvision as t; torch.save({get}, '{name}.pth')\""
    )


def torchvision_arguments(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a torchvision factory that weights fit.

    Args:
        state: names to tensors.

    Returns:
        ``num_classes``, ``aux_loss`` where there is such a head, and nothing to download.
    """
    found: dict[str, Any] = {"weights_backbone": None}
    if count := count_classes(state):
        found["num_classes"] = count
    if any(".aux_classifier." in f".{name}" for name in state):
        found["aux_loss"] = True
    return found
