"""Which device trains, and which mixed precision it computes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor
from torch.overrides import TorchFunctionMode

from edgeseg.errors import UserError
from edgeseg.training.settings import TrainSettings

CHOICES = ("auto", "no", "bf16", "fp16")


def make_accelerator(settings: TrainSettings) -> Accelerator:
    """Choose the device and its precision for a run; what an earlier run of this process chose is forgotten.

    Raises:
        UserError: an unknown precision.
    """
    AcceleratorState._reset_state()
    # bf16 has no room for 256 levels: it would round what is rounded once more.
    amp = "no" if settings.qat and settings.amp == "auto" else settings.amp
    return Accelerator(cpu=settings.device == "cpu", mixed_precision=mixed_precision(amp, settings.device))


def mixed_precision(choice: str, device: str) -> str:
    """Choose Accelerate's name for the precision to train in.

    ``auto`` is bf16 on CPUs that multiply it (AMX, AVX512-BF16) and on
    GPUs that compute in it, fp16 on other GPUs, else no.

    Raises:
        UserError: an unknown choice.
    """
    if choice not in CHOICES:
        raise UserError(f"`amp` must be one of {', '.join(CHOICES)}; found {choice!r}.")
    if choice != "auto":
        return choice
    if device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if _cpu_multiplies_bf16() else "no"


def _cpu_multiplies_bf16() -> bool:
    """Plain AVX512 emulates bf16 convolutions slower than fp32; with AVX512-BF16 a step took half as long."""
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


class DepthwiseGradientsInFloat(TorchFunctionMode):
    """Compute the gradients of depthwise convolutions in float32 where a CPU trains in bf16; nothing else changes.

    oneDNN has no fast kernel for them in bf16. Measured with torch 2.13 on one core of a Xeon with AMX, 4 pictures:
    3x3, stride 2, 96 channels of 108x192 take 146 ms in bf16 and 13 ms in float32; 5x5, 240 channels of 27x48, 71 and
    20 ms. Of a step of ``lite-unet`` they were two thirds.

    Example:
        >>> weight = torch.ones(8, 1, 3, 3, requires_grad=True)
        >>> with DepthwiseGradientsInFloat(), torch.autocast("cpu", torch.bfloat16):
        ...     out = torch.conv2d(torch.ones(1, 8, 4, 4), weight, groups=8)
        >>> out.dtype, torch.autograd.grad(out.sum(), weight)[0].dtype
        (torch.bfloat16, torch.float32)
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run ``func``; a depthwise ``conv2d`` in bf16 in its own way."""
        given = dict(kwargs or {})
        if func is torch.conv2d and (settings := _depthwise_in_bf16(*args, **given)) is not None:
            return _FloatGradients.apply(*settings)  # type: ignore[no-untyped-call]
        return func(*args, **given)


def _depthwise_in_bf16(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> tuple[Any, ...] | None:
    """Return the settings of a depthwise convolution that a CPU is to compute in bf16; None for any other."""
    in_bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    depthwise = 1 < groups == weight.shape[0] == images.shape[1]
    if not (in_bf16 and depthwise) or images.device.type != "cpu" or isinstance(padding, str):
        return None
    return images, weight, bias, _pair(stride), _pair(padding), _pair(dilation), groups


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


class _FloatGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.settings = settings
        ctx.bias_shape = None if bias is None else list(bias.shape)
        return torch.conv2d(images, weight, bias, *settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.settings
        found = torch.ops.aten.convolution_backward(
            *(one.float() for one in (gradients[0], images, weight)),
            ctx.bias_shape,
            *(stride, padding, dilation, False, [0, 0], groups),
            list(ctx.needs_input_grad[:3]),
        )
        of_images = None if found[0] is None else found[0].to(images.dtype)
        return (of_images, *found[1:], None, None, None, None)
