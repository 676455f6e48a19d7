"""Slots of one engine, lent to whoever has an image."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator

from edgeseg.errors import EngineError
from edgeseg.runtime.engines.engine import Engine, Slot


class SlotPool:
    """Lends the slots of an engine, one to a thread at a time.

    Args:
        engine: closed by :meth:`close`.
        count: how many slots.
    """

    def __init__(self, engine: Engine, count: int) -> None:
        self._engine = engine
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        self.closed = False
        for _ in range(count):
            self._free.put(engine.open_slot())

    @contextlib.contextmanager
    def lend(self) -> Iterator[Slot]:
        """Give a slot that nobody else uses; waits for one.

        Raises:
            EngineError: the pool is closed.
        """
        self.expect_open()
        slot = self._free.get()
        try:
            yield slot
        finally:
            self._free.put(slot)

    def expect_open(self) -> None:
        """Raise EngineError after :meth:`close`."""
        if self.closed:
            raise EngineError("This model is closed; load it again before using it.")

    def close(self) -> None:
        """Close the engine; slots that are asked for later are refused."""
        self.closed = True
        self._engine.close()
