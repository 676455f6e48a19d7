"""Which device trains, and which mixed precision it computes in."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

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
