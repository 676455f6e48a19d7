"""What a library says about its network, brought together with what a person says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.errors import SpecError
from edgeseg.export.hubs.folder_files import folder_digests, read_config
from edgeseg.export.hubs.hub_net import HubNet
from edgeseg.export.hubs.known_module import describe_module
from edgeseg.export.hubs.table import find_hub

if TYPE_CHECKING:
    from torch import nn

TOLERANCE = 1e-5
PIXELS = ("mean", "std")
FREE = ("imgsz", "ignore_index")
"""What a person may change of what a library says, as of a network of edgeseg's own."""


@dataclass(frozen=True)
class AgreedNet:
    """A network of a library, and all that is known of it.

    Attributes:
        module: to one tensor of the size of its input.
        what: what it is called in messages.
        flags: by the fields of :class:`~edgeseg.export.specs.foreign_spec.SpecFlags`.
        parents: SHA-256 of its weights, by role.
        notes: a sentence for each thing that a person should know.
    """

    module: nn.Module
    what: str
    flags: Mapping[str, Any]
    parents: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def is_hub_folder(path: Path) -> bool:
    """Tell whether a path is a folder that a library of :mod:`edgeseg.export.hubs.table` wrote."""
    return find_hub(path) is not None


def open_folder(path: Path, said: Mapping[str, Any]) -> AgreedNet:
    """Open a folder by the library that wrote it.

    Args:
        path: a folder that :func:`is_hub_folder` knows.
        said: by a person, by the fields of :class:`~edgeseg.export.specs.foreign_spec.SpecFlags`.

    Raises:
        MissingExtra: the library is not installed; the message carries the pip command.
        SpecError: what was said contradicts the folder.
        CheckpointError, ArtifactError: the library does not open it, or it is a network of another task.
    """
    hub = find_hub(path)
    assert hub is not None
    net = hub.open(path, read_config(path))
    return AgreedNet(net.module, net.what, agree(net, said), folder_digests(path), notes_for(net, said))


def describe_built(module: nn.Module, what: str, said: Mapping[str, Any]) -> AgreedNet:
    """Complete what was said about a network that a call built by what its library says, where it is of one.

    Raises:
        SpecError: what was said contradicts the library.
    """
    net = describe_module(module, what) or HubNet(module, what)
    return AgreedNet(net.module, what, agree(net, said), notes=notes_for(net, said))


def agree(net: HubNet, said: Mapping[str, Any]) -> dict[str, Any]:
    """Complete what was said by what a library says, and by what is taken where neither does.

    Args:
        net: the library's network.
        said: by a person; it wins where the library says nothing.

    Raises:
        SpecError: a person says otherwise than the library.
    """
    given = {name: value for name, value in said.items() if value is not None and name != "value_range"}
    for name in PIXELS:
        if name in given:
            given[name] = tuple(value / said.get("value_range", 1) for value in given[name])
    for name, own in net.says.items():
        if name in given and name not in FREE and not _are_same(given[name], own):
            raise SpecError(
                f"{net.what} says {_show(own)}; `{name}={_show(given[name])}` contradicts it. Leave `{name}` out, or "
                "correct the folder where it is wrong."
            )
    return {**net.assumes, **net.says, **given}


def notes_for(net: HubNet, said: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the sentences about a network, less those about what a person said."""
    return tuple(note for about, note in net.notes if not about or said.get(about) is None)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, int | float) for one in value)


def _are_same(given: Any, own: Any) -> bool:
    if _are_numbers(own):
        return len(given) == len(own) and all(abs(a - b) <= TOLERANCE for a, b in zip(given, own, strict=True))
    return bool(given == own)


def _show(value: Any) -> str:
    return f"({', '.join(f'{one:.6g}' for one in value)})" if _are_numbers(value) else repr(value)
