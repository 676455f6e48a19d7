"""The ONNX graph while it is made: each tensor of the file in the forms in which something asks for it.

TFLite has the channels of a tensor of rank 4 last, ONNX Runtime and OpenVINO have them first. An operation takes its
inputs and gives its results channels first, and says over which axes it works in that order, so that no Transpose is
left where the file has none. What needs the order of the file (a Reshape, the product of matrices) asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgeseg.export.tflite.lite_file import Array, LiteFile, Operator

FIRST, OWN = "channels first", "as the file has it"
TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_LONGEST_NAME = 120


class NotTaken(Exception):
    """An operation that cannot be said in ONNX; its text completes ``KIND ...``."""


class Builder:
    """Collects nodes and constants.

    Args:
        file: what is read.
    """

    def __init__(self, file: LiteFile) -> None:
        self.file = file
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._forms: dict[int, dict[str, str]] = {}
        self._folded: dict[int, Array] = {}
        self._taken: set[str] = set()
        self._stem = "tensor"

    def begin(self, operator: Operator) -> None:
        """Name what follows after the first result of ``operator``."""
        self._stem = self.name(operator.outputs[0])

    def name(self, number: int) -> str:
        """Call a tensor as its author did."""
        return self.file.tensors[number].name.strip()[:_LONGEST_NAME] or f"tensor_{number}"

    def shape(self, number: int) -> tuple[int, ...]:
        """Return the declared shape, in the order of the file."""
        return self.file.tensors[number].shape

    def rank(self, number: int) -> int:
        """Return how many axes a tensor has."""
        return len(self.shape(number))

    def value(self, number: int) -> Array | None:
        """Return the values of a constant in the order of the file, float16 as float32; None for what is computed."""
        found = self._folded.get(number, self.file.tensors[number].data)
        return found.astype(np.float32) if found is not None and found.dtype == np.float16 else found

    def constant(self, number: int, what: str) -> Array:
        """Return the values of a constant.

        Raises:
            NotTaken: it is computed.
        """
        found = self.value(number)
        if found is None:
            raise NotTaken(f"with {what} that are computed")
        return found

    def whole(self, number: int, what: str) -> list[int]:
        """Return constant whole numbers as a flat list; raises NotTaken where they are computed."""
        return [int(value) for value in self.constant(number, what).ravel()]

    def fold(self, number: int, values: Array) -> None:
        """Say that a result is a constant."""
        if values.shape != self.shape(number):
            raise ValueError(f"{self.name(number)} is declared as {list(self.shape(number))}, not {list(values.shape)}")
        self._folded[number] = values

    def first(self, number: int) -> str:
        """Name a tensor with its channels first; one of another rank than 4 has one form."""
        return self._form(number, FIRST)

    def own(self, number: int) -> str:
        """Name a tensor in the order of the file."""
        return self._form(number, OWN)

    def has(self, number: int, form: str) -> bool:
        """Tell whether a tensor is there in a form."""
        return form in self._forms.get(number, {})

    def put(self, number: int, name: str, form: str = FIRST) -> None:
        """Say where a result is, and in which form."""
        self._forms.setdefault(number, {})[form if self.rank(number) == 4 else FIRST] = name

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append a node with one result and return the name of that."""
        return self.add_many(kind, inputs, 1, **attributes)[0]

    def add_many(self, kind: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Append a node with several results."""
        results = [self.unique(self._stem) for _ in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), results, name=results[0], **attributes))
        return results

    def weight(self, values: Any, what: str) -> str:
        """Add a constant."""
        name = self.unique(f"{self._stem}/{what}")
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def move(self, name: str, shape: Sequence[int], order: Sequence[int]) -> str:
        """Change the order of the axes of a value of ``shape``: by a Reshape where no number moves in memory."""
        if list(order) == list(range(len(order))):
            return name
        moved = [shape[axis] for axis in order]
        if _keeps_memory(shape, order):
            return self.reshape(name, moved)
        return self.add("Transpose", [name], perm=list(order))

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """Bring a value to a shape."""
        return self.add("Reshape", [name, self.weight(np.array(shape, np.int64), "shape")])

    def operand(self, number: int, rank: int) -> str:
        """Name a tensor as it is broadcast to results of ``rank`` axes, channels first where that is 4."""
        if rank != 4 or self.rank(number) == 4:
            return self.first(number)
        shape = (*(1,) * (4 - self.rank(number)), *self.shape(number))
        if (values := self.value(number)) is not None:
            return self.weight(values.reshape(shape).transpose(TO_FIRST), "constant")
        return self.move(self.reshape(self.own(number), shape), shape, TO_FIRST)

    def _form(self, number: int, form: str) -> str:
        rank = self.rank(number)
        form = form if rank == 4 else FIRST
        forms = self._forms.setdefault(number, {})
        if form not in forms:
            forms[form] = self._make_form(number, form, forms)
        return forms[form]

    def _make_form(self, number: int, form: str, forms: Mapping[str, str]) -> str:
        order = TO_FIRST if form == FIRST else TO_LAST
        if (values := self.value(number)) is not None:
            is_moved = form == FIRST and self.rank(number) == 4
            return self.weight(values.transpose(TO_FIRST) if is_moved else values, "constant")
        if not forms:
            raise ValueError(f"{self.name(number)!r} is read before it is computed")
        shape = self.shape(number)
        given = shape if form == FIRST else [shape[axis] for axis in TO_FIRST]
        return self.move(next(iter(forms.values())), given, order)

    def unique(self, name: str) -> str:
        """Return ``name``, or it with a number behind where it is taken."""
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name}/{count}"
        self._taken.add(found)
        return found


def first_axis(axis: int, rank: int) -> int:
    """Find where an axis of the file is once channels are first.

    >>> [first_axis(axis, 4) for axis in (0, 1, 2, 3, -1)], first_axis(-1, 3)
    ([0, 2, 3, 1, 1], 2)
    """
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of {rank}")
    return TO_FIRST.index(axis % rank) if rank == 4 else axis % rank


def _keeps_memory(shape: Sequence[int], order: Sequence[int]) -> bool:
    """Whether the axes longer than 1 stay in their order."""
    long = [axis for axis in order if shape[axis] != 1]
    return long == sorted(long)


Convert = Callable[[Builder, Operator], None]
