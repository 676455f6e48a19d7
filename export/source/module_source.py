"""A network that a program holds in memory, brought to the form that every export starts from."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import SpecError
from edgeseg.export.hubs.agreement import AgreedNet
from edgeseg.export.reading.graph_view import Array
from edgeseg.export.source.finite_net import check_activations, check_weights
from edgeseg.export.source.foreign_net import ForeignNet, probe_inputs
from edgeseg.export.source.onnx_from_torch import does_not_run, onnx_by_any_exporter
from edgeseg.export.source.original import Own
from edgeseg.export.source.source_net import STAGE_TORCH, SourceNet, SourceRequest
from edgeseg.export.specs.foreign_spec import SpecFlags, add_known, foreign_spec
from edgeseg.export.specs.unsaid_task import expect_said
from edgeseg.image import Float32
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from edgeseg.export.checkpoints.one_output import Chosen

WHAT = "this network"


@dataclass(frozen=True)
class TorchNet:
    """A network that torch runs, and what is known of it.

    Attributes:
        module: normalised float32 ``[1, C, H, W]`` to logits, or to what it makes of them itself (probabilities,
            labels), on any device, in any mode. It stays as it is.
        name: what artifacts are called.
        what: what it is called in messages.
        parents: SHA-256 of what it was read from, by role; where there is none, its weights are what it comes from.
        known: what its source says of it, such as classes, mean and std (of values of 0..1); what the user says wins.
        notes: a sentence for each thing that a person should know about how it was opened.
    """

    module: nn.Module
    name: str
    what: str = WHAT
    parents: Mapping[str, str] = field(default_factory=dict)
    known: SpecFlags = field(default_factory=SpecFlags)
    notes: tuple[str, ...] = ()


def module_source(net: nn.Module, spec: ModelSpec, name: str) -> SourceNet:
    """Bring a ``torch.nn.Module`` of which everything is known to the form that exports start from."""
    return open_module(TorchNet(net, name), SourceRequest(SpecFlags(), spec))


def open_agreed(net: AgreedNet, name: str, request: SourceRequest) -> SourceNet:
    """Bring a network of a library to the form that exports start from, see :func:`open_module`."""
    source = TorchNet(net.module, name, net.what, net.parents, notes=net.notes)
    return open_module(source, replace(request, flags=SpecFlags(**net.flags)))


def open_module(net: TorchNet, request: SourceRequest) -> SourceNet:
    """Bring a network that torch runs to the form that exports start from.

    Args:
        net: the network.
        request: what is asked for; its spec, or its flags with what is known of the network.

    Raises:
        SpecError: something is missing that nobody said, the network does not take this size, what it gives cannot be
            read, or it stays in training mode.
        CheckpointError: its weights or results are not finite, or torch cannot export it.
    """
    flags = add_known(request.said, net.known)
    asked = request.spec or foreign_spec(net.what, flags, (None, None, None), None)
    is_said = request.spec is not None or flags.task is not None
    model = _prepare(net.module)
    _refuse_training(model, net.what)
    check_weights(model, net.what)
    probes = probe_inputs(asked)
    chosen = _choose_output(model, probes[0], flags.logits, asked, is_said)
    model = chosen.module
    exported = onnx_by_any_exporter(model, asked)
    check_activations(model, probes, net.what)
    classes = asked.logit_channels if is_said else asked.num_classes
    foreign = ForeignNet(exported.proto, (asked.channels, asked.height, asked.width), classes, _own_results(model))
    size = (asked.channels, asked.height, asked.width)
    spec = request.spec or foreign_spec(net.what, flags, size, foreign.channels, foreign.is_independent)
    bare = foreign.bare(spec, flags.upsample)
    reading = bare.reading
    if request.spec is None and flags.task is None and reading.may_be_independent:
        expect_said(net.what, spec, [reading.logits(probe) for probe in probes])
    parents = dict(net.parents) or {"torch": weights_sha256(model)}
    parts = (net.name, bare.spec, bare.proto, reading.logits, STAGE_TORCH, parents)
    notes = [*net.notes, *([chosen.note] if chosen.note else []), *bare.notes]
    facts = {"exporter": exported.exporter, "exporter_because": exported.why, "output": chosen.output}
    origin = {name: value for name, value in facts.items() if value}
    return SourceNet(*parts, predict=reading.predict, notes=tuple(notes), is_foreign=True, origin=origin)


def _prepare(module: nn.Module) -> nn.Module:
    """Copy a network, on the processor, in float32, in eval mode; a program of torch.export has no other."""
    with warnings.catch_warnings(), contextlib.suppress(NotImplementedError):
        warnings.simplefilter("ignore")
        model = copy.deepcopy(module).cpu().float()
        model.eval()
    return model


def _own_results(model: nn.Module) -> Own:
    """What the module itself gives, as it gives it."""
    torch = require("torch", "export")

    def run(values: Float32) -> Array:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(values)).numpy())

    return run


def _refuse_training(model: nn.Module, what: str) -> None:
    """Refuse layers that eval() did not reach, as where a network has a ``train`` of its own."""
    torch = require("torch", "export")
    kinds = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
    found = [name for name, layer in model.named_modules() if layer.training and isinstance(layer, kinds)]
    if found:
        raise SpecError(
            f"The layer {found[0]!r} of {what} is in training mode after eval(), so that what it gives depends on "
            "chance or on the one picture it sees. Make the network's own train() or eval() reach it."
        )


def weights_sha256(model: nn.Module) -> str:
    """Compute the SHA-256 over names, shapes and values of everything that a network has learned."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {values.dtype} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _choose_output(model: nn.Module, probe: Float32, asked: str | None, spec: ModelSpec, is_said: bool) -> Chosen:
    """Run a network once, and find its logits in what it gives."""
    torch = require("torch", "export")
    from edgeseg.export.checkpoints.one_output import choose_output

    try:
        with torch.inference_mode():
            found = model(torch.from_numpy(probe))
    except Exception as error:  # the code of others may end in anything
        raise SpecError(does_not_run((spec.height, spec.width), error)) from error
    return choose_output(model, found, asked, spec, is_said)
