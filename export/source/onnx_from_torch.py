"""The bare float network of a checkpoint as ONNX."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import CheckpointError, SpecError
from edgeseg.export.graphs.opset import OPSET, OpsetError, at_opset_17
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

NATIVE_OPSET = 18
DYNAMO, TORCHSCRIPT = "torch's dynamo exporter", "torch's TorchScript exporter"


def onnx_from_checkpoint(model: nn.Module, spec: ModelSpec) -> Any:
    """Export a network by ``torch.onnx``.

    Args:
        model: in eval mode; normalised float32 ``[1, C, H, W]`` to logits ``[1, K, H, W]``.
        spec: gives C, H, W and K.

    Returns:
        An ``onnx.ModelProto`` with input ``input`` and output ``logits`` at opset 17.

    Raises:
        SpecError: the network does not take this size, or its output contradicts the spec.
        CheckpointError: the network has an operation that opset 17 cannot say.
    """
    torch = require("torch", "export")
    _check_output(torch, model, torch.zeros(1, spec.channels, spec.height, spec.width), spec)
    return onnx_from_module(model, spec)


@dataclass(frozen=True)
class Exported:
    """A network as ONNX.

    Attributes:
        proto: with input ``input`` and output ``logits`` at opset 17.
        exporter: what wrote it.
        why: what the one before it said, where it was not the first that was tried.
    """

    proto: Any
    exporter: str
    why: str = ""


def onnx_by_any_exporter(model: nn.Module, spec: ModelSpec) -> Exported:
    """Export a network by torch's dynamo exporter, or by the TorchScript one where that fails.

    Raises:
        CheckpointError: both fail; what each said is in it.
    """
    torch = require("torch", "export")
    scripted = isinstance(model, torch.jit.ScriptModule) or any(
        isinstance(layer, torch.jit.ScriptModule) for layer in model.modules()
    )
    said = "the network is TorchScript."
    if not scripted:
        try:
            return Exported(onnx_from_module(model, spec), DYNAMO)
        except CheckpointError as error:
            said = f"{DYNAMO} said: {error}"
    try:
        return Exported(_onnx_by_torchscript(model, spec), TORCHSCRIPT, said)
    except CheckpointError as error:
        raise error if scripted else CheckpointError(f"{said} The TorchScript exporter said: {error}") from None


def _onnx_by_torchscript(model: nn.Module, spec: ModelSpec) -> Any:
    torch, onnx = require("torch", "export"), require("onnx", "export")
    example, written = torch.zeros(1, spec.channels, spec.height, spec.width), io.BytesIO()
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                model,
                (example,),
                written,
                dynamo=False,
                opset_version=OPSET,
                input_names=["input"],
                output_names=["logits"],
            )
        except Exception as error:  # it raises whatever its tracer met
            raise CheckpointError(f"torch cannot export this network to ONNX: {_root(error)}.") from error
    return onnx.load_model_from_string(written.getvalue())


def onnx_from_module(model: nn.Module, spec: ModelSpec) -> Any:
    """Export a network by ``torch.onnx``, whatever it gives; see :func:`onnx_from_checkpoint`.

    Raises:
        CheckpointError: the network has an operation that opset 17 cannot say.
    """
    torch = require("torch", "export")
    require("onnxscript", "export")
    example = torch.zeros(1, spec.channels, spec.height, spec.width)
    with quiet():
        try:
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                external_data=False,
                opset_version=NATIVE_OPSET,
                input_names=["input"],
                output_names=["logits"],
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
            raise CheckpointError(f"torch cannot export this network to ONNX: {_root(error)}.") from error
    return _lower(program.model_proto)


def _check_output(torch: Any, model: nn.Module, example: Any, spec: ModelSpec) -> None:
    size = f"{spec.height}x{spec.width}"
    try:
        with torch.inference_mode():
            found = tuple(model(example).shape)
    except RuntimeError as error:
        raise SpecError(does_not_run((spec.height, spec.width), error)) from None
    if found != (1, spec.logit_channels, spec.height, spec.width):
        raise SpecError(
            f"The network gives {found} at {size}; its spec says {spec.logit_channels} logits a pixel. "
            "Give `imgsz=(H, W)` in multiples of its stride, usually 32."
        )


def does_not_run(size: tuple[int, int], error: BaseException) -> str:
    """Say that a network does not take a size, or asks for a device that is not there."""
    said = _told(error)
    if re.search(r"cuda|nvidia", said, re.IGNORECASE):
        return (
            f"The network asks for a GPU while it runs ({said}), because its code names that device. Where it was "
            "saved whole, save it again from the processor, as net.cpu() before torch.jit.trace; else take the device "
            "of its input."
        )
    return (
        f"The network does not run at {size[0]}x{size[1]}: {said}. "
        "Give `imgsz=(H, W)` in multiples of its stride, usually 32."
    )


def _lower(proto: Any) -> Any:
    """Opset 17 of what torch wrote at 18, its lowest.

    Asked for 17, torch.onnx converts before it has simplified the graph, and keeps 18 without a
    word when that fails.
    """
    try:
        return at_opset_17(proto)
    except OpsetError as error:
        raise CheckpointError(
            f"An operation of this network cannot be expressed at ONNX opset {OPSET}: {error}. "
            "Train with another padding, upsampling or normalisation."
        ) from None


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]


def _told(error: BaseException) -> str:
    """What an error says, of one in TorchScript the cause below it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    cause = next((line for line in lines if re.match(r"\w*Error: ", line)), lines[-1])
    return (cause if "TorchScript interpreter" in lines[0] else lines[0])[:300].rstrip(". ")


def _root(error: BaseException) -> str:
    """What the first error of a chain said: what torch wraps around it are hints for its own developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error).rstrip(". ")
