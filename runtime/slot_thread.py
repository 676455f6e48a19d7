"""Inference: a frame through the gate, through a slot, to whoever collects results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeseg.image import fit
from edgeseg.runtime.engines.engine import Slot
from edgeseg.runtime.engines.threshold import ApplyThreshold
from edgeseg.runtime.frame_gate import FrameGate, Taken
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.frames.timing import clock_s
from edgeseg.spec import ModelSpec

STAGES = ("detect", "convert", "resize", "infer", "post")
"""What a slot's thread does, in this order."""


@dataclass(frozen=True)
class Done:
    """What became of a frame.

    Attributes:
        number: in the order of the frames.
        frame: itself.
        prediction: None where it takes over what was said of the frame before it.
        seconds: how long each of :data:`STAGES` took that it went through.
        ready_s: when it was done, on the monotonic clock.
    """

    number: int
    frame: Frame
    prediction: Prediction | None
    seconds: Mapping[str, float]
    ready_s: float


class Ended:
    """A thread has no more to do."""


class SlotThread:
    """Infers frames in one slot, in a thread of its own, until there are no more.

    Args:
        slot: used by this thread only.
        spec: of the network.
        threshold: makes the prediction that is given out.
        gate: where frames come from.
        room: acquired before each frame, so that not too many are on their way to the sinks.
        report: called with each :class:`Done`, with what the slot raised, and at last with :class:`Ended`.
    """

    def __init__(
        self,
        slot: Slot,
        spec: ModelSpec,
        threshold: ApplyThreshold,
        gate: FrameGate,
        room: threading.Semaphore,
        report: Callable[[Done | Exception | Ended], object],
    ) -> None:
        self._slot, self._spec, self._threshold = slot, spec, threshold
        self._gate, self._room, self._report = gate, room, report
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
            while self._room.acquire() and (taken := self._gate.take()) is not None:
                self._began_s = time.monotonic()
                self._report(self._deal_with(taken))
                self._began_s = None
        except Exception as error:
            self._report(error)
        self._report(Ended())

    def _deal_with(self, taken: Taken) -> Done:
        seconds = {} if taken.detect_s is None else {"detect": taken.detect_s}
        prediction = self._infer(taken.frame, seconds) if taken.is_due else None
        return Done(taken.number, taken.frame, prediction, seconds, time.monotonic())

    def _infer(self, frame: Frame, seconds: dict[str, float]) -> Prediction:
        start = clock_s()
        image = frame.image
        converted = clock_s()
        fit(image, self._spec, out=self._slot.input)
        resized = clock_s()
        raw = self._slot.run()
        inferred = clock_s()
        prediction = self._threshold(raw)
        seconds.update(convert=converted - start, resize=resized - converted, infer=inferred - resized)
        seconds["post"] = clock_s() - inferred
        return prediction
