"""An engine made of numpy: the answers of linear_model, as slow and as broken as a test wants."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from linear_model import reference

from edgeseg.errors import EngineError
from edgeseg.image import UInt8
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec


class FakeEngine:
    """Args: ``delay_s`` gives how long each run takes; ``fail_after`` makes a slot's later runs fail."""

    def __init__(
        self,
        spec: ModelSpec,
        confidence: bool = True,
        delay_s: Callable[[], float] = lambda: 0.0,
        fail_after: int | None = None,
    ) -> None:
        self.spec = spec
        self.confidence = confidence
        self.delay_s = delay_s
        self.fail_after = fail_after
        self.closed = False

    def open_slot(self) -> FakeSlot:
        if self.closed:
            raise EngineError("This engine is closed.")
        return FakeSlot(self)

    def close(self) -> None:
        self.closed = True


class FakeSlot:
    def __init__(self, engine: FakeEngine) -> None:
        spec = engine.spec
        self.input: UInt8 = np.zeros((spec.height, spec.width, spec.channels), np.uint8)
        self._engine = engine
        self._labels = np.empty((spec.height, spec.width), np.uint8)
        self._runs = 0
        self._closed = False

    def run(self) -> Prediction:
        if self._closed or self._engine.closed:
            raise EngineError("This slot is closed.")
        time.sleep(self._engine.delay_s())
        if self._runs == self._engine.fail_after:
            raise EngineError("The fake engine was told to fail.")
        self._runs += 1
        self._labels[...], confidence = reference(self.input, self._engine.spec)
        return Prediction(self._labels, confidence if self._engine.confidence else None)

    def close(self) -> None:
        self._closed = True
