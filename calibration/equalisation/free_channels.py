"""Which channels may be multiplied by a factor, and which of them only together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from edgeseg.calibration.equalisation.steps import Kind, Step, Steps

Ints = npt.NDArray[np.int64]
FIXED = 0


class FreeChannels:
    """Sets of (tensor, channel) that carry one factor, by union-find; set :data:`FIXED` carries the factor 1.

    Attributes:
        count: how many sets there are, the fixed one with them.
    """

    def __init__(self, net: Steps) -> None:
        self._first: dict[str, int] = {}
        total = 1
        for name, channels in net.channels.items():
            self._first[name], total = total, total + channels
        self._channels = dict(net.channels)
        self._parent = list(range(total))
        made = {name for step in net.steps for name in step.makes}
        self._fix(name for name in net.channels if name not in made)
        for step in net.steps:
            self._tie(step)
        roots = [self._root(at) for at in range(total)]
        number = {root: at for at, root in enumerate(dict.fromkeys(roots))}
        self._set: Ints = np.array([number[root] for root in roots])
        self.count = int(self._set.max()) + 1

    def of(self, tensor: str) -> Ints:
        """Return the set of each channel of a tensor, (channels,)."""
        first = self._first[tensor]
        found: Ints = self._set[first : first + self._channels[tensor]]
        return found

    def _tie(self, step: Step) -> None:
        tensors = (*step.reads, *step.makes)
        known = [name for name in tensors if name in self._channels]
        if step.kind is Kind.WEIGHS and len(known) == len(tensors):
            return
        if step.kind is Kind.PASSES and len({self._channels.get(name) for name in tensors}) == 1 and known:
            for name in tensors[1:]:
                self._same(self._first[tensors[0]], self._first[name], self._channels[name])
        elif step.kind is Kind.JOINS and len(known) == len(tensors):
            self._side_by_side(step)
        else:
            self._fix(known)

    def _side_by_side(self, step: Step) -> None:
        at = self._first[step.makes[0]]
        for name in step.reads:
            self._same(self._first[name], at, self._channels[name])
            at += self._channels[name]

    def _fix(self, tensors: Iterable[str]) -> None:
        for name in tensors:
            for at in range(self._channels[name]):
                self._join(FIXED, self._first[name] + at)

    def _same(self, one: int, other: int, count: int) -> None:
        for at in range(count):
            self._join(one + at, other + at)

    def _root(self, at: int) -> int:
        while self._parent[at] != at:
            self._parent[at] = self._parent[self._parent[at]]
            at = self._parent[at]
        return at

    def _join(self, one: int, other: int) -> None:
        low, high = sorted((self._root(one), self._root(other)))
        self._parent[high] = low
