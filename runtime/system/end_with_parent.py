"""No process of a capture outlives the one that started it, not even one that hangs."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
# Looked up here, so that between fork and exec nothing is left to do but one system call.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def end_with_parent() -> None:
    """Let the kernel end this process with the thread that started it; on Linux only.

    Elsewhere the end of the control pipe has to do, which a hanging decoder does not see.
    """
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
