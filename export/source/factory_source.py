"""A network that a call of somebody's code builds, and a file with its weights."""

from __future__ import annotations

from pathlib import Path

from edgeseg.export.checkpoints.factory import build_network, parse_call
from edgeseg.export.checkpoints.fit import load_weights
from edgeseg.export.checkpoints.state_dicts import find_state_dicts
from edgeseg.export.checkpoints.weight_file import read_weight_file
from edgeseg.export.source.module_source import TorchNet, open_module
from edgeseg.export.source.source_net import SourceNet, SourceRequest
from edgeseg.files.atomic import file_sha256

ENDINGS = (".tar", ".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".pkl")


def open_factory(text: str, request: SourceRequest) -> SourceNet:
    """Build the network that ``text`` names, load its weights, and bring it to the form that exports start from.

    Raises:
        UserError: the call cannot be made, or gives no network.
        CheckpointError: the weights cannot be read, or are not those of this network.
        SpecError: see :func:`~edgeseg.export.source.module_source.open_module`.
    """
    call = parse_call(text)
    loaded = None if request.weights is None else read_weight_file(request.weights)
    module = build_network(call)
    if request.weights is None:
        return open_module(TorchNet(module, request.name or call.name, text), request)
    notes = load_weights(module, find_state_dicts(loaded), request.weights, text)
    parents = {"weights": file_sha256(request.weights)}
    name = request.name or plain_name(request.weights)
    return open_module(TorchNet(module, name, text, parents, notes=tuple(notes)), request)


def plain_name(path: Path) -> str:
    """Return the name of a file without the endings that weights have: ``best`` of ``best.pth.tar``."""
    name = path.name
    while name.endswith(ENDINGS) and not name.startswith(ENDINGS):
        name = name.rpartition(".")[0]
    return name or path.name
