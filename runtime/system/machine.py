"""What this machine is: CPU, cores, and the instructions that decide what INT8 brings."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

ISA_FLAGS = {
    "AVX2": "avx2",
    "AVX512": "avx512f",
    "AVX512-VNNI": "avx512_vnni",
    "AVX-VNNI": "avx_vnni",
    "AMX-INT8": "amx_int8",
    "AMX-BF16": "amx_bf16",
    "NEON": "asimd",
    "DOTPROD": "asimddp",
    "I8MM": "i8mm",
}
_INTEGER_UNITS = ("AMX-INT8", "AVX512-VNNI", "AVX-VNNI", "I8MM", "DOTPROD")


def usable_cores() -> int:
    """Count the CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Cpu:
    """The processor as the system describes it.

    Attributes:
        name: model name, or the architecture where there is none.
        cores: cores this process may use.
        isa: of :data:`ISA_FLAGS`, those it has; None where the system does not tell.
    """

    name: str
    cores: int
    isa: tuple[str, ...] | None

    @property
    def integer_units(self) -> tuple[str, ...]:
        """Instructions that multiply and add 8-bit integers in one step, strongest first."""
        return tuple(name for name in _INTEGER_UNITS if name in (self.isa or ()))


def this_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Cpu:
    """Read the system's description; fields it does not have are named as unknown, not guessed."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Cpu(platform.processor() or platform.machine(), usable_cores(), None)
    fields = _first_values(text)
    flags = set((fields.get("flags") or fields.get("features") or "").split())
    name = fields.get("model name") or platform.processor() or platform.machine()
    return Cpu(name, usable_cores(), tuple(isa for isa, flag in ISA_FLAGS.items() if flag in flags) if flags else None)


def load_average() -> float | None:
    """Read how many processes wanted a core in the last minute; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _first_values(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    return fields
