"""Do what ``gst-launch-1.0`` does, with a pipeline that no list of processes shows.

``python -m edgeseg.runtime.cameras.capture.gst_launch``: the pipeline's words come as one JSON line on standard input.
GStreamer's own program takes them from its command line only, where every user of the machine can read a password.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from typing import Any

_LIBRARY = "libgstreamer-1.0.dylib" if sys.platform == "darwin" else "libgstreamer-1.0.so.0"
_NULL, _PLAYING = 1, 4
_END_OR_ERROR = 1 | 2
_LOOK_NS = 100_000_000
_ADDRESSES = {
    "gst_parse_launchv": [ctypes.c_void_p, ctypes.c_void_p],
    "gst_element_get_bus": [ctypes.c_void_p],
    "gst_bus_timed_pop_filtered": [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int],
    "gst_message_get_structure": [ctypes.c_void_p],
}


class _Error(ctypes.Structure):
    """GLib's GError."""

    _fields_ = (("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p))


def main() -> int:
    """Run the pipeline that standard input names until it ends or SIGTERM comes; return the exit code."""
    words = json.loads(sys.stdin.readline())
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    try:
        gst = _library()
    except OSError as refusal:
        return _fail(f"GStreamer cannot be loaded: {refusal}")
    gst.gst_init(None, None)
    error = ctypes.POINTER(_Error)()
    pipeline = gst.gst_parse_launchv(_as_array(words), ctypes.byref(error))
    if error or not pipeline:
        return _fail(f"no pipeline: {_message(error)}")
    try:
        gst.gst_element_set_state(ctypes.c_void_p(pipeline), _PLAYING)
        return _wait(gst, gst.gst_element_get_bus(pipeline), stopped)
    finally:
        gst.gst_element_set_state(ctypes.c_void_p(pipeline), _NULL)


def _wait(gst: Any, bus: int, stopped: list[int]) -> int:
    """Until the pipeline ends, fails, or is not wanted any more; gives the exit code."""
    while not stopped:
        message = gst.gst_bus_timed_pop_filtered(bus, _LOOK_NS, _END_OR_ERROR)
        if message and gst.gst_message_get_structure(message):  # the end has none
            error = ctypes.POINTER(_Error)()
            gst.gst_message_parse_error(ctypes.c_void_p(message), ctypes.byref(error), None)
            return _fail(_message(error))
        if message:
            break
    return 0


def _library() -> Any:
    gst = ctypes.CDLL(_LIBRARY)
    for name, arguments in _ADDRESSES.items():
        function = getattr(gst, name)
        function.argtypes, function.restype = arguments, ctypes.c_void_p
    return gst


def _as_array(words: list[str]) -> Any:
    return (ctypes.c_char_p * (len(words) + 1))(*(word.encode() for word in words), None)


def _message(error: Any) -> str:
    return (error.contents.message or b"").decode(errors="replace") if error else "unknown"


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
