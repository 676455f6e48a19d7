"""Which mixed precision a device computes in."""

from __future__ import annotations

import torch

from edgeseg.errors import UserError

CHOICES = ("auto", "no", "bf16", "fp16")


def mixed_precision(choice: str, device: str) -> str:
    """Accelerate's name for the precision to train in.

    ``auto`` is bf16 on CPUs with AMX and on GPUs that compute in it, fp16 on other GPUs, else no.

    Raises:
        UserError: an unknown choice.
    """
    if choice not in CHOICES:
        raise UserError(f"--amp must be one of {', '.join(CHOICES)}; found {choice!r}.")
    if choice != "auto":
        return choice
    if device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if _cpu_has_amx() else "no"


def _cpu_has_amx() -> bool:
    """Plain AVX512 emulates bf16 convolutions slower than fp32, so only AMX counts."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())
