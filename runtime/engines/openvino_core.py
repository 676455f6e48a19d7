"""The one OpenVINO core of this process.

On CPUs with AMX, OpenVINO's CPU plugin (2026.4.1) puts a signal stack of its own in place when it is
loaded, and the one before back when it is unloaded. Every ``Core`` loads the plugin anew. When two
are unloaded in the order in which they came, the thread is left with a stack that has been freed,
and the next Ctrl-C, SIGTERM or SIGCHLD ends Python in a segmentation fault. So there is one core,
it loads the plugin at once, and it is never given back.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from types import ModuleType
from typing import Any

from edgeseg.console.extras import require

_CONVERTER = "openvino.tools.ovc"
_CAPABILITIES = {"FP32": "f32", "BF16": "bf16", "FP16": "f16"}


def load_openvino(extra: str = "openvino") -> ModuleType:
    """Import OpenVINO without its telemetry, which reports every import over the network in a thread.

    With that module out of reach OpenVINO uses its own stub; importing takes 0.15 s less, too. Its converter of models
    is imported when it is first called: 50 ms of CPU time in 120, which no run needs.

    Raises:
        MissingExtra: it is not installed; ``extra`` is what the message names.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        return require("openvino", extra)
    sys.modules[_CONVERTER] = stand_in = ModuleType(_CONVERTER)
    vars(stand_in)["convert_model"] = _convert_model
    try:
        return require("openvino", extra)
    finally:
        del sys.modules[_CONVERTER]


def _convert_model(*arguments: Any, **settings: Any) -> Any:
    """What ``openvino.convert_model`` is."""
    return importlib.import_module(_CONVERTER).convert_model(*arguments, **settings)


def shared_core(extra: str = "openvino") -> Any:
    """Return the core that everything in this process uses; see the module's docstring.

    Raises:
        MissingExtra: OpenVINO is not installed.
    """
    load_openvino(extra)
    return _core()


def openvino_devices() -> list[str]:
    """List the devices that OpenVINO finds here."""
    return list(shared_core().available_devices)


def openvino_precisions(device: str) -> tuple[str, ...]:
    """List what OpenVINO computes layers in float in on a device; empty where it does not tell, or has none such."""
    with contextlib.suppress(RuntimeError):
        found = shared_core().get_property(device, "OPTIMIZATION_CAPABILITIES")
        return tuple(name for capability, name in _CAPABILITIES.items() if capability in found)
    return ()


@functools.cache
def _core() -> Any:
    core = load_openvino().Core()
    with contextlib.suppress(RuntimeError):
        core.get_property("CPU", "FULL_DEVICE_NAME")
    return core
