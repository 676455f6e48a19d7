"""A bounded place between two threads."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from edgeseg.runtime.frames.frame import Frame

T = TypeVar("T")


class FrameTaker(Protocol):
    """What a live source puts its frames into."""

    def put(self, item: Frame) -> bool:
        """Hand a frame over; False when nobody will take it."""

    def lose(self, dropped: int = 0, stale: int = 0) -> None:
        """Count frames that were received and did not come this far."""


@dataclass(frozen=True)
class HandoffCounts:
    """What became of the items of a :class:`Handoff`, each counted once.

    Attributes:
        received: put in, or lost on the way there.
        dropped: of those, lost because nobody took them in time.
        stale: of those, lost because they were too old to be of use.
    """

    received: int = 0
    dropped: int = 0
    stale: int = 0


class Handoff(Generic[T]):
    """Items from some threads to others, in order, and the count of what became of them.

    Args:
        capacity: how many items wait at most.
        newest_wins: when full, throw the oldest away and count it instead of making the giver wait.
        limit: give out this many items, then end; None for no limit.
        lane: whatever it returns for an item has a capacity of its own (newest wins only): cameras do not push out
            each other's frames. Lanes are served in turn.
        fresh: False for an item that has become too old to be given out (newest wins only).

    Attributes:
        received: items put in, or lost on the way here.
        dropped: items thrown away because nobody took them in time.
        stale: items thrown away because they were no longer fresh.

    Where the newest wins, ``received`` is ``dropped + stale + taken + waiting`` at any time.
    """

    def __init__(
        self,
        capacity: int,
        newest_wins: bool = False,
        limit: int | None = None,
        lane: Callable[[T], Hashable] = lambda _: None,
        fresh: Callable[[T], bool] = lambda _: True,
    ) -> None:
        self.received = self.dropped = self.stale = 0
        self._lane, self._fresh = lane, fresh
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._newest_wins = newest_wins
        self._limit = limit
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def taken(self) -> int:
        """How many were given out."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many are inside."""
        return len(self._items)

    def put(self, item: T) -> bool:
        """Hand an item over; waits for room unless the newest wins. False when nobody will take it."""
        with self._changed:
            while len(self._items) >= self._capacity and not self._newest_wins and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self.received += 1
            if not (self._newest_wins and self._replace(item)):
                self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self) -> tuple[int, T] | None:
        """Wait for the next item, and return its number from 0 and it; None when there will be no more."""
        with self._changed:
            self._drop_stale()
            while not self._items and not self._closed:
                self._changed.wait()
                self._drop_stale()
            if not self._items:
                return None
            number, self._taken = self._taken, self._taken + 1
            item = self._items.popleft()
            if self._taken == self._limit:
                self._end()
            self._changed.notify_all()
            return number, item

    def lose(self, dropped: int = 0, stale: int = 0) -> None:
        """Count items that were received and lost on their way here."""
        with self._changed:
            if not self._closed:
                self.received += dropped + stale
                self.dropped += dropped
                self.stale += stale

    @property
    def counts(self) -> HandoffCounts:
        """What became of the items so far."""
        with self._changed:
            return HandoffCounts(self.received, self.dropped, self.stale)

    def close(self) -> None:
        """Take no more items in; those inside are still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Throw away what is inside and let everybody who waits go."""
        with self._changed:
            self._end()
            self._changed.notify_all()

    def _replace(self, item: T) -> bool:
        """Put it in the place of the oldest of its full lane; the lane keeps its turn. False while there is room."""
        lane = self._lane(item)
        places = [place for place, waiting in enumerate(self._items) if self._lane(waiting) == lane]
        if len(places) < self._capacity:
            return False
        for place, following in itertools.pairwise(places):
            self._items[place] = self._items[following]
        self._items[places[-1]] = item
        self.dropped += 1
        return True

    def _drop_stale(self) -> None:
        while self._newest_wins and self._items and not self._fresh(self._items[0]):
            self._items.popleft()
            self.stale += 1

    def _end(self) -> None:
        self._closed = True
        if self._newest_wins:
            self.dropped += len(self._items)
        self._items.clear()
