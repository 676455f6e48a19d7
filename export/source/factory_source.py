"""A network that a call of somebody's code builds, and a file with its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.errors import UserError
from edgeseg.export.checkpoints.factory import build_network, parse_call
from edgeseg.export.checkpoints.fit import load_weights
from edgeseg.export.checkpoints.state_dicts import StateDict, find_state_dicts
from edgeseg.export.checkpoints.weight_file import read_weight_file
from edgeseg.export.hubs.agreement import describe_built
from edgeseg.export.hubs.known_module import TORCHVISION, complete_keywords, torchvision_arguments, without_weights
from edgeseg.export.source.module_source import TorchNet, open_module
from edgeseg.export.source.source_net import SourceNet, SourceRequest
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.files.atomic import file_sha256

if TYPE_CHECKING:
    from torch import nn

ENDINGS = (".tar", ".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".pkl", ".pt2", ".ts")


def open_factory(text: str, request: SourceRequest) -> SourceNet:
    """Build the network that ``text`` names, load its weights, and bring it to the form that exports start from.

    Raises:
        UserError: the call cannot be made, or gives no network.
        CheckpointError: the weights cannot be read, or are not those of this network.
        SpecError: see :func:`~edgeseg.export.source.module_source.open_module`.
    """
    call = parse_call(text)
    if request.weights is None:
        note = f"No `weights` were given: {text} is exported with those that the call itself gave it."
        return open_built(TorchNet(build_network(call), request.name or call.name, text, notes=(note,)), request)
    loaded = read_weight_file(request.weights)
    call = replace(call, keywords=complete_keywords(call.module, call.keywords))
    return _open_filled(build_network(call), find_state_dicts(loaded), text, request)


def open_torchvision(text: str, request: SourceRequest) -> SourceNet:
    """Build the network of torchvision that ``torchvision:NAME`` names for the weights that are given.

    Raises:
        UserError: no weights are given, or torchvision has no such network.
        CheckpointError, SpecError: see :func:`open_factory`.
    """
    call = parse_call(f"{TORCHVISION}:{text.partition(':')[2]}")
    if request.weights is None:
        raise UserError(without_weights(call.attribute, text))
    found = find_state_dicts(read_weight_file(request.weights))
    own = torchvision_arguments(found[0].tensors) if found else {}
    return _open_filled(build_network(replace(call, keywords={**own, **call.keywords})), found, text, request)


def _open_filled(module: nn.Module, found: Sequence[StateDict], text: str, request: SourceRequest) -> SourceNet:
    assert request.weights is not None
    notes = load_weights(module, found, request.weights, text, request.ignore_weights)
    parents = {"weights": file_sha256(request.weights)}
    name = request.name or plain_name(request.weights)
    return open_built(TorchNet(module, name, text, parents, notes=tuple(notes)), request)


def open_built(net: TorchNet, request: SourceRequest) -> SourceNet:
    """Bring a network to the form that exports start from, with what the library that it is of says about it.

    Raises:
        SpecError, CheckpointError: see :func:`~edgeseg.export.source.module_source.open_module`.
    """
    agreed = describe_built(net.module, net.what, vars(request.said))
    known = replace(net, module=agreed.module, notes=(*net.notes, *agreed.notes))
    return open_module(known, replace(request, flags=SpecFlags(**agreed.flags)))


def plain_name(path: Path) -> str:
    """Return the name of a file without the endings that weights have: ``best`` of ``best.pth.tar``."""
    name = path.name
    while name.endswith(ENDINGS) and not name.startswith(ENDINGS):
        name = name.rpartition(".")[0]
    return name or path.name
