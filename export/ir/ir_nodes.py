"""The nodes of an IR with all sizes known, and the ONNX graph that is made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
MOST_VALUES = 1 << 28
"""In one tensor: a gigabyte of float32."""
TYPES: dict[str, int] = {
    "f32": TensorProto.FLOAT,
    "f16": TensorProto.FLOAT16,
    "f64": TensorProto.DOUBLE,
    "u8": TensorProto.UINT8,
    "i8": TensorProto.INT8,
    "u16": TensorProto.UINT16,
    "i16": TensorProto.INT16,
    "u32": TensorProto.UINT32,
    "i32": TensorProto.INT32,
    "u64": TensorProto.UINT64,
    "i64": TensorProto.INT64,
    "boolean": TensorProto.BOOL,
}


class NotTaken(Exception):
    """A layer that cannot be said in ONNX; its text completes ``KIND ...``."""


class Layer:
    """One layer of the IR.

    Args:
        node: of OpenVINO's model.
        build: where its constants are known.
    """

    def __init__(self, node: Any, build: IrBuilder) -> None:
        self.node, self.build = node, build
        self.kind: str = node.get_type_name()
        self.attributes: dict[str, Any] = node.get_attributes()

    @property
    def inputs(self) -> list[str]:
        """Names of what it takes."""
        return [self.build.name(value) for value in self.node.input_values()]

    def shape(self, at: int) -> list[int]:
        """Return the shape of an input."""
        return list(self.node.input_value(at).get_shape())

    @property
    def result(self) -> list[int]:
        """The shape of its first result."""
        return list(self.node.output(0).get_shape())

    def rank(self, at: int = 0) -> int:
        """Return how many axes an input has."""
        return len(self.shape(at))

    def constant(self, at: int, what: str) -> Array:
        """Return the values of an input that is a constant; raises NotTaken where it is computed."""
        found = self.build.constants.get(self.build.name(self.node.input_value(at)))
        if found is None:
            raise NotTaken(f"with {what} that are computed")
        return found

    def whole(self, at: int, what: str) -> list[int]:
        """Return constant whole numbers as a flat list."""
        return [int(value) for value in self.constant(at, what).ravel()]

    def has(self, at: int) -> bool:
        """Tell whether an input is given."""
        return len(self.node.input_values()) > at


class IrBuilder:
    """Collects nodes and constants; values are called as the IR calls them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self._names: dict[tuple[str, int], str] = {}
        self._taken: set[str] = set()
        self._stem = "layer"

    def begin(self, node: Any) -> None:
        """Name what follows after ``node``."""
        self._stem = node.get_friendly_name()

    def name(self, value: Any) -> str:
        """Return what a result is called in the graph; a KeyError where it was never made."""
        return self._names[_place(value)]

    def put(self, value: Any, name: str) -> None:
        """Say what a result is called."""
        self._names[_place(value)] = name

    def unique(self, name: str) -> str:
        """Return ``name``, or it with a number behind where it is taken."""
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name}/{count}"
        self._taken.add(found)
        return found

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
        self.constants[name] = np.ascontiguousarray(values).reshape(np.shape(values))
        return name

    def ints(self, values: Sequence[int], what: str) -> str:
        """Add whole numbers."""
        return self.weight(np.array(values, np.int64), what)

    def number(self, value: float, like: Layer, what: str) -> str:
        """Add a number of the type of a layer's first input."""
        dtype = helper.tensor_dtype_to_np_dtype(TYPES[like.node.input_value(0).get_element_type().get_type_name()])
        return self.weight(np.array(value, dtype), what)

    def weights(self) -> list[onnx.TensorProto]:
        """List the constants that nodes take."""
        used = {name for node in self.nodes for name in node.input}
        return [numpy_helper.from_array(values, name) for name, values in self.constants.items() if name in used]


Convert = Callable[[IrBuilder, Layer], str | list[str]]
"""Makes the nodes of a layer and names its result, or its results."""


def type_of(value: Any) -> int:
    """Return the type of a result in ONNX; raises NotTaken for one that ONNX Runtime does not compute with."""
    name = value.get_element_type().get_type_name()
    if name not in TYPES:
        raise NotTaken(f"of the type {name}")
    return TYPES[name]


def check_size(value: Any) -> None:
    """Raise ValueError for a result without a fixed size, or a very large one."""
    shape = value.get_partial_shape()
    if shape.is_dynamic or math.prod(shape.to_shape()) > MOST_VALUES:
        raise ValueError(f"a value of {shape}")


def _place(value: Any) -> tuple[str, int]:
    return value.get_node().get_name(), value.get_index()
