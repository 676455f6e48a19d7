"""Where ONNX Runtime computes: one table of its execution providers, and what an opened session says of itself.

Only the CPU was tried here. Names and packages are those of ONNX Runtime's documentation, "Execution Providers".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import EnvironmentFault, UserError
from edgeseg.runtime.engines.precision import device_kind

ENDING = "ExecutionProvider"
CPU = "CPU"


@dataclass(frozen=True)
class Provider:
    """One execution provider.

    Attributes:
        device: what ``device`` takes.
        name: ONNX Runtime's own, without its ending.
        package: the distribution that brings it, in the place of ``onnxruntime``; empty where one has to be built.
    """

    device: str
    name: str
    package: str


PROVIDERS = (
    Provider(CPU, "CPU", "onnxruntime"),
    Provider("CUDA", "CUDA", "onnxruntime-gpu"),
    Provider("TENSORRT", "Tensorrt", "onnxruntime-gpu"),
    Provider("DIRECTML", "Dml", "onnxruntime-directml"),
    Provider("COREML", "CoreML", "onnxruntime"),
    Provider("QNN", "QNN", "onnxruntime-qnn"),
    Provider("XNNPACK", "Xnnpack", ""),
    Provider("OPENVINO", "OpenVINO", "onnxruntime-openvino"),
)


def list_ort_devices() -> list[str]:
    """List the devices that the installed ONNX Runtime has a provider for.

    >>> "CPU" in list_ort_devices()
    True
    """
    present = set(require("onnxruntime", "onnxruntime").get_available_providers())
    return [one.device for one in PROVIDERS if one.name + ENDING in present]


def find_providers(device: str) -> list[Any]:
    """Find what a session is opened with: the provider of a device, and the CPU for the rest.

    Args:
        device: ``CPU``, or another of :data:`PROVIDERS` in any case, with a number where there are several: ``cuda:1``.

    Raises:
        UserError: no such device.
        EnvironmentFault: the installed ONNX Runtime has no provider for it.
    """
    kind, here = device_kind(device), list_ort_devices()
    known = next((one for one in PROVIDERS if one.device == kind), None)
    if known is None:
        names = "there is " + ", ".join(one.device for one in PROVIDERS)
        raise UserError(f"ONNX Runtime has no device {device!r}; {names}. Use `device='CPU'` or another of them.")
    if known.device not in here:
        bring = f"pip install {known.package}" if known.package else "a build of ONNX Runtime with it"
        raise EnvironmentFault(
            f"This ONNX Runtime computes on {', '.join(here)} and not on {known.device}. What brings it: {bring} (in "
            "the place of the package onnxruntime)."
        )
    number = device.partition(":")[2]
    settings = {"device_id": number} if number else {}
    plain = [] if known.device == CPU else [CPU + ENDING]
    return [(known.name + ENDING, settings) if settings else known.name + ENDING, *plain]


def expect_provider(session: Any, device: str) -> None:
    """Read back whether a session took the provider that it was asked for: one that fails is dropped without a word.

    Raises:
        EnvironmentFault: it did not.
    """
    kind = device_kind(device)
    known = next(one for one in PROVIDERS if one.device == kind)
    found = [name.removesuffix(ENDING) for name in session.get_providers()]
    if known.name not in found:
        raise EnvironmentFault(
            f"ONNX Runtime was asked for {known.device} and computes on {', '.join(found)}: what that provider needs "
            "is missing or too old. Use `device='CPU'`, or install what its page asks for."
        )
