"""What to install for TensorRT on this kind of machine, in one sentence."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from edgeseg.console.installation import install_line, pip_line, quote

RELEASE = Path("/etc/nv_tegra_release")
JETPACK_OF = {35: 5, 36: 6, 38: 7, 39: 7}
"""JetPack by the R number of Jetson Linux."""

_BINDINGS = {6: "cuda-bindings>=12.6,<13", 7: "cuda-bindings>=13"}
_JETPACK = (
    "JetPack {number}: sudo apt install nvidia-jetpack, then make the environment with "
    "python3 -m venv --system-site-packages, so that it sees the system's tensorrt, and in it: pip install {bindings}"
)
_OLD = "JetPack 5 has Python 3.8 and no cuda-bindings: update the device to JetPack 6 or newer"
_JETSON = "on Jetson TensorRT comes with JetPack 6 or 7, which this system does not seem to be"
DRIVER_PC = "install NVIDIA's driver (Ubuntu: sudo ubuntu-drivers install) and start again"
DRIVER_JETSON = "the driver belongs to JetPack: flash or update the device"


def jetpack(release: Path = RELEASE) -> int | None:
    """Read the major number of the JetPack here; None on anything but a Jetson."""
    try:
        found = re.search(r"R(\d+)", release.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return JETPACK_OF.get(int(found.group(1))) if found else None


def install_advice(rtx: bool = False, release: Path = RELEASE, machine: str | None = None) -> str:
    """Say how to get TensorRT and its CUDA bindings here.

    Args:
        rtx: TensorRT for RTX instead.
        release: the file that names a Jetson's system.
        machine: ``platform.machine()``.
    """
    number = jetpack(release)
    if number in _BINDINGS:
        return _sentence(_JETPACK.format(number=number, bindings=quote(_BINDINGS[number])))
    if number is not None:
        return _sentence(_OLD)
    line = install_line("tensorrt", "tensorrt-rtx" if rtx else "tensorrt")
    if not rtx and (machine or platform.machine()) == "aarch64":
        return _sentence(f"{_JETSON}; on other ARM machines: {line}")
    return _sentence(f"Install it with: {line}")


def bindings_line(release: Path = RELEASE) -> str:
    """Word the command that installs the CUDA bindings; a Jetson's driver asks for those of its own CUDA."""
    number = jetpack(release)
    return pip_line(_BINDINGS[number]) if number in _BINDINGS else install_line("tensorrt")


def driver_advice(release: Path = RELEASE) -> str:
    """Say how to get a driver here."""
    return _sentence(DRIVER_PC if jetpack(release) is None else DRIVER_JETSON)


def bindings_advice(driver_cuda: int, bindings_cuda: int) -> str:
    """Say what to do when cuda-bindings are of a newer CUDA than the driver.

    Args:
        driver_cuda, bindings_cuda: as CUDA counts, 12060 for 12.6.
    """
    major = driver_cuda // 1000
    return (
        f"cuda-bindings are for CUDA {_format_version(bindings_cuda)} and the driver supports CUDA "
        f"{_format_version(driver_cuda)}: "
        f"{pip_line(f'cuda-bindings>={major},<{major + 1}')}, or update the driver."
    )


def _format_version(cuda: int) -> str:
    return f"{cuda // 1000}.{cuda % 1000 // 10}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
