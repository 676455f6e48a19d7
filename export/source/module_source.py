"""A network that a program holds in memory, brought to the form that every export starts from."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.errors import SpecError
from edgeseg.export.source.finite_net import check_activations, check_weights
from edgeseg.export.source.foreign_net import probe_inputs, refuse_probabilities
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.source_net import SourceNet, torch_forward
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

WHAT = "this network"


def module_source(net: nn.Module, spec: ModelSpec, name: str) -> SourceNet:
    """Bring a ``torch.nn.Module`` to the form that exports start from; it stays as it is.

    Args:
        net: normalised float32 ``[1, C, H, W]`` to logits ``[1, K, H, W]``, on any device, in any mode.
        spec: gives C, H, W and K.
        name: what artifacts are called.

    Raises:
        SpecError: it does not take this size, gives no such logits, or gives probabilities.
        CheckpointError: its weights or results are not finite, or torch cannot export it.
    """
    model = copy.deepcopy(net).cpu().float().eval()
    check_weights(model, WHAT)
    probes = probe_inputs(spec)
    _expect_tensor(model, probes[0], spec)
    proto = onnx_from_checkpoint(model, spec)
    check_activations(model, probes, WHAT)
    forward = torch_forward(model)
    refuse_probabilities([forward(probe) for probe in probes], spec)
    return SourceNet(name, spec, proto, forward, "torch", {"torch": weights_sha256(model)})


def weights_sha256(model: nn.Module) -> str:
    """Compute the SHA-256 over names, shapes and values of everything that a network has learned."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {values.dtype} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _expect_tensor(model: nn.Module, probe: Any, spec: ModelSpec) -> None:
    """Refuse a network that gives a dict, as torchvision's do, or several outputs."""
    torch = require("torch", "export")
    try:
        with torch.inference_mode():
            found = model(torch.from_numpy(probe))
    except RuntimeError:
        return  # the exporter says which size it was
    if not isinstance(found, torch.Tensor):
        raise SpecError(
            f"A network gives its logits as one tensor [1, {spec.logit_channels}, {spec.height}, {spec.width}]; this "
            f"one gives a {type(found).__name__}. Wrap it in a module that returns the logits alone."
        )
