"""A network that a program holds in memory, brought to the form that every export starts from."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import SpecError
from edgeseg.export.reading.graph_view import Array
from edgeseg.export.source.finite_net import check_activations, check_weights
from edgeseg.export.source.foreign_net import ForeignNet, probe_inputs
from edgeseg.export.source.onnx_from_torch import does_not_run, onnx_from_module
from edgeseg.export.source.original import Own
from edgeseg.export.source.source_net import SourceNet
from edgeseg.image import Float32
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

WHAT = "this network"


def module_source(net: nn.Module, spec: ModelSpec, name: str) -> SourceNet:
    """Bring a ``torch.nn.Module`` to the form that exports start from; it stays as it is.

    Args:
        net: normalised float32 ``[1, C, H, W]`` to logits ``[1, K, H, W]``, or what it makes of them itself
            (probabilities, labels), on any device, in any mode.
        spec: gives C, H, W and K.
        name: what artifacts are called.

    Raises:
        SpecError: it does not take this size, what it gives cannot be read, or it stays in training mode.
        CheckpointError: its weights or results are not finite, or torch cannot export it.
    """
    model = copy.deepcopy(net).cpu().float().eval()
    _refuse_training(model)
    check_weights(model, WHAT)
    probes = probe_inputs(spec)
    _expect_tensor(model, probes[0], spec)
    proto = onnx_from_module(model, spec)
    check_activations(model, probes, WHAT)
    size = (spec.channels, spec.height, spec.width)
    bare = ForeignNet(proto, size, spec.logit_channels, _own_results(model)).bare(spec)
    reading, parents = bare.reading, {"torch": weights_sha256(model)}
    parts = (name, bare.spec, bare.proto, reading.logits, "torch", parents)
    return SourceNet(*parts, predict=reading.predict, notes=bare.notes, is_foreign=True)


def _own_results(model: nn.Module) -> Own:
    """What the module itself gives, as it gives it."""
    torch = require("torch", "export")

    def run(values: Float32) -> Array:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(values)).numpy())

    return run


def _refuse_training(model: nn.Module) -> None:
    """Refuse layers that eval() did not reach, as where a network has a ``train`` of its own."""
    torch = require("torch", "export")
    kinds = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
    found = [name for name, layer in model.named_modules() if layer.training and isinstance(layer, kinds)]
    if found:
        raise SpecError(
            f"The layer {found[0]!r} of {WHAT} is in training mode after eval(), so that what it gives depends on "
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


def _expect_tensor(model: nn.Module, probe: Any, spec: ModelSpec) -> None:
    """Refuse a network that does not run, or gives a dict, as torchvision's do, or several outputs."""
    torch = require("torch", "export")
    try:
        with torch.inference_mode():
            found = model(torch.from_numpy(probe))
    except RuntimeError as error:
        raise SpecError(does_not_run(spec, error)) from None
    if not isinstance(found, torch.Tensor):
        raise SpecError(
            f"A network gives its logits as one tensor [1, {spec.logit_channels}, {spec.height}, {spec.width}]; this "
            f"one gives a {type(found).__name__}. Wrap it in a module that returns the logits alone."
        )
