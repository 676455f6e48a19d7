"""A real OpenVINO engine that fails on demand, and ``edgeseg run`` with it in place of the sound one.

    python faulty_engine.py FAULT AFTER STARTS LEDGER run ARTIFACT --source ...

FAULT is ``raise``, ``hang`` (a native call that does not return), ``freeze`` (one that also keeps the interpreter),
``segfault``, ``abort`` (after a word of its own) or ``slow`` (0.3 s more for each inference). It strikes after AFTER
inferences, in the first STARTS workers only. Each worker adds a line to LEDGER.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

from edgeseg import cli
from edgeseg.errors import EngineError
from edgeseg.image import UInt8
from edgeseg.runtime.engines import openvino_engine
from edgeseg.runtime.engines.openvino_engine import OpenVinoEngine, OpenVinoSlot
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.verbs import run

_LONG_S = 600


class FaultyEngine(OpenVinoEngine):
    """Gives slots that fail."""

    fault, after = "", 0

    def open_slot(self) -> FaultySlot:  # type: ignore[override]
        return FaultySlot(super().open_slot(), self)


class FaultySlot:
    runs = 0

    def __init__(self, slot: OpenVinoSlot, owner: FaultyEngine) -> None:
        self._slot, self._owner = slot, owner

    @property
    def input(self) -> UInt8:
        return self._slot.input

    def run(self) -> Prediction:
        FaultySlot.runs += 1
        if FaultySlot.runs > self._owner.after:
            _fail(self._owner.fault)
        return self._slot.run()


def _fail(fault: str) -> None:
    if fault == "slow":
        time.sleep(0.3)
    if fault == "raise":
        raise EngineError("The device is lost. See if it is still plugged in.")
    if fault == "hang":
        ctypes.CDLL(None).sleep(_LONG_S)
    if fault == "freeze":
        ctypes.PyDLL(None).sleep(_LONG_S)
    if fault == "abort":
        os.write(2, b"last words of a library\n")
        os.abort()
    if fault == "segfault":
        ctypes.string_at(0)


def make_faulty(fault: str, after: int) -> None:
    """From here on this process opens such an engine."""
    FaultyEngine.fault, FaultyEngine.after = fault, after
    openvino_engine.OpenVinoEngine = FaultyEngine  # type: ignore[misc]


def main() -> int:
    fault, after, starts, ledger, *words = sys.argv[1:]
    if words[0] == "run":
        run.WORKER = (sys.executable, __file__, fault, after, starts, ledger)
        sys.argv[1:] = words
        return cli.main()
    with Path(ledger).open("a", encoding="utf-8") as lines:
        lines.write("started\n")
    if len(Path(ledger).read_text(encoding="utf-8").splitlines()) <= int(starts):
        make_faulty(fault, int(after))
    sys.argv[1:] = words
    return run.work()


if __name__ == "__main__":
    sys.exit(main())
