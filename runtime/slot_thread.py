"""Inference: a frame out of the inbox, through a slot, to whoever collects results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgeseg.image import fit
from edgeseg.runtime.engines.engine import Slot
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.handoff import Handoff
from edgeseg.runtime.frames.timing import clock_s
from edgeseg.spec import ModelSpec


@dataclass(frozen=True)
class Done:
    """A result, its number in the order of the frames, and how long each stage took."""

    number: int
    frame: Frame
    prediction: Prediction
    resize_s: float
    infer_s: float
    post_s: float
    latency_s: float


class Ended:
    """A thread has no more to do."""


class SlotThread:
    """Infers frames in one slot, in a thread of its own, until there are no more.

    Args:
        slot: used by this thread only.
        spec: of the network.
        threshold: makes the prediction that is given out.
        inbox: where frames come from.
        room: acquired before each frame, so that not too many are on their way to the sinks.
        report: called with each :class:`Done`, with what the slot raised, and at last with :class:`Ended`.
    """

    def __init__(
        self,
        slot: Slot,
        spec: ModelSpec,
        threshold: ApplyThreshold,
        inbox: Handoff[Frame],
        room: threading.Semaphore,
        report: Callable[[Done | Exception | Ended], object],
    ) -> None:
        self._slot, self._spec, self._threshold = slot, spec, threshold
        self._inbox, self._room, self._report = inbox, room, report
        self._began_s: float | None = None

    def start(self) -> None:
        """Start in a thread that ends with the process."""
        threading.Thread(target=self._run, name="edgeseg-slot", daemon=True).start()

    @property
    def began_s(self) -> float | None:
        """When the inference in flight began, on the monotonic clock; None when there is none. From any thread."""
        return self._began_s

    def _run(self) -> None:
        try:
            while self._room.acquire() and (taken := self._inbox.take()) is not None:
                self._began_s = time.monotonic()
                self._report(self._infer(*taken))
                self._began_s = None
        except Exception as error:
            self._report(error)
        self._report(Ended())

    def _infer(self, number: int, frame: Frame) -> Done:
        start = clock_s()
        fit(frame.image, self._spec, out=self._slot.input)
        resized = clock_s()
        raw = self._slot.run()
        inferred = clock_s()
        prediction = self._threshold(raw)
        end = clock_s()
        latency_s = time.monotonic() - frame.time_s
        return Done(number, frame, prediction, resized - start, inferred - resized, end - inferred, latency_s)
