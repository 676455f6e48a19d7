"""A bounded place between two threads."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Handoff(Generic[T]):
    """Items from some threads to others, in order.

    Args:
        capacity: how many items wait at most.
        newest_wins: when full, throw the oldest away and count it instead of making the giver wait.
        limit: give out this many items, then end; None for no limit.

    Attributes:
        dropped: items thrown away because nobody took them in time.
    """

    def __init__(self, capacity: int, newest_wins: bool = False, limit: int | None = None) -> None:
        self.dropped = 0
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._newest_wins = newest_wins
        self._limit = limit
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Hand an item over; waits for room unless the newest wins. False when nobody will take it."""
        with self._changed:
            while len(self._items) >= self._capacity and not self._closed:
                if self._newest_wins:
                    self._items.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self) -> tuple[int, T] | None:
        """The next item and its number from 0; waits for one. None when there will be no more."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if not self._items:
                return None
            number, self._taken = self._taken, self._taken + 1
            item = self._items.popleft()
            if self._taken == self._limit:
                self._end()
            self._changed.notify_all()
            return number, item

    def close(self) -> None:
        """No more items come; those inside are still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Throw away what is inside and let everybody who waits go."""
        with self._changed:
            self._end()
            self._changed.notify_all()

    def _end(self) -> None:
        self._closed = True
        self._items.clear()
