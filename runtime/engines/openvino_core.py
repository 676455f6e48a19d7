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
import sys
from types import ModuleType
from typing import Any

from edgeseg.console.extras import require


def load_openvino(extra: str = "openvino") -> ModuleType:
    """Import OpenVINO without its telemetry, which reports every import over the network in a thread.

    With that module out of reach OpenVINO uses its own stub; importing takes 0.15 s less, too.

    Raises:
        MissingExtra: it is not installed; ``extra`` is what the message names.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return require("openvino", extra)


def shared_core(extra: str = "openvino") -> Any:
    """Return the core that everything in this process uses; see the module's docstring.

    Raises:
        MissingExtra: OpenVINO is not installed.
    """
    load_openvino(extra)
    return _core()


@functools.cache
def _core() -> Any:
    core = load_openvino().Core()
    with contextlib.suppress(RuntimeError):
        core.get_property("CPU", "FULL_DEVICE_NAME")
    return core
