"""Between the inbox and the slots: which frame is next, and whether it needs an inference at all."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edgeseg.runtime.analysis.changes import ChangeDetector
from edgeseg.runtime.analysis.settings import WhenChanged
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.handoff import Handoff
from edgeseg.runtime.frames.timing import clock_s


@dataclass(frozen=True)
class Taken:
    """A frame that is a slot's to deal with.

    Attributes:
        number: in the order of the frames.
        frame: itself.
        is_due: whether it is to be inferred; else it takes the mask over that its camera had before.
        detect_s: how long it took to tell; None where every frame is inferred.
    """

    number: int
    frame: Frame
    is_due: bool = True
    detect_s: float | None = None


class FrameGate:
    """Gives slots their frames, in order, from any number of threads.

    Args:
        inbox: where frames come from.
        when_changed: infer only what has changed; None for every frame.
    """

    def __init__(self, inbox: Handoff[Frame], when_changed: WhenChanged | None) -> None:
        self._inbox = inbox
        self._detector = None if when_changed is None else ChangeDetector(when_changed)
        self._lock = threading.Lock()

    def take(self) -> Taken | None:
        """Wait for the next frame; None when there will be no more."""
        if self._detector is None:
            taken = self._inbox.take()
            return None if taken is None else Taken(*taken)
        with self._lock:  # one frame after the other, in their order: each is compared with one before it
            taken = self._inbox.take()
            if taken is None:
                return None
            start = clock_s()
            return Taken(*taken, self._detector.is_due(taken[1]), clock_s() - start)
