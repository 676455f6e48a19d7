"""A network as a library gives it, and what the library says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.console.installation import pip_line
from edgeseg.errors import MissingExtra

if TYPE_CHECKING:
    from torch import nn

IMAGENET: Mapping[str, Any] = {
    "color_order": "rgb",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
"""How nearly all networks of these libraries take their pixels."""
USUAL_SIZE = (512, 512)
"""Height and width where nobody says any: all of these libraries' networks of free size take multiples of 32."""


Note = tuple[str, str]


@dataclass(frozen=True)
class HubNet:
    """A network of a library.

    Attributes:
        module: normalised float32 ``[1, C, H, W]`` to one tensor of H and W.
        what: what it is called in messages.
        says: what the library says for sure, by the fields of
            :class:`~edgeseg.export.specs.foreign_spec.SpecFlags`; what contradicts it is a mistake.
        assumes: what is taken where nobody says otherwise.
        notes: a sentence for each thing that a person should know, and before it the field it is about: who says that
            field need not read it. Empty: everybody should.
    """

    module: nn.Module
    what: str
    says: Mapping[str, Any] = field(default_factory=dict)
    assumes: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def require_library(module: str, package: str, path: Path | str) -> ModuleType:
    """Import a library that opens its own models.

    Raises:
        MissingExtra: it is not installed; the message carries the pip command.
        EnvironmentFault: it is installed but does not load.
    """
    try:
        return require(module)
    except MissingExtra as error:
        missing = str(error).split("'")[1] if "'" in str(error) else module
        words = [package] if missing.partition(".")[0] == module else [package, missing]
        raise MissingExtra(f"{path} is opened by {package}, which is not installed here: {pip_line(*words)}") from None


def name_classes(count: int) -> tuple[str, ...]:
    """Name classes that nobody named: two of a binary task, else one a channel."""
    return ("background", "foreground") if count == 1 else tuple(f"class{index}" for index in range(count))


def same_size(module: nn.Module, key: str | None = None) -> nn.Module:
    """Wrap a network so that it gives one tensor, of the size of its input.

    Args:
        module: the network.
        key: of what it gives where that is a dictionary (or has attributes); None: the first of a tuple.

    Returns:
        A module: bilinear, half-pixel centres, as ``interpolate(..., align_corners=False)`` of every library here.
    """
    torch = require("torch", "export")

    class SameSize(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, values: Any) -> Any:
            given = self.net(values)
            scores = _choose(given, key)
            if scores.shape[-2:] == values.shape[-2:] or scores.ndim != 4:
                return scores
            size = values.shape[-2:]
            return torch.nn.functional.interpolate(scores, size=size, mode="bilinear", align_corners=False)

    return SameSize()


def _choose(given: Any, key: str | None) -> Any:
    if key is not None:
        return given[key] if isinstance(given, Mapping) else getattr(given, key)
    return given[0] if isinstance(given, tuple | list) else given
