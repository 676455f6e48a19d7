"""Channels of zeros for depthwise convolutions of a Q/DQ file, so that ONNX Runtime's fast kernel takes all of them.

ONNX Runtime's INT8 kernel for depthwise convolutions works on sixteen channels at once, and one by one on what is left
over. Measured at 184x240 on one core of a Xeon: 1.0 ms with 32 channels and 1.8 with 64, but 2.2 with 24, 3.2 with 40
and 14 to 25 with 56. In a U-Net of 0.75 M weights one such layer took 20 of 64 ms, which made INT8 slower than float.

What feeds such a layer makes zeros for the channels that are missing, and what reads it multiplies them with zero, so
every other code is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.graphs.onnx_graph import map_makers, map_readers

AT_ONCE, FEWEST = 16, 8
PASSING = ("QuantizeLinear", "DequantizeLinear", "Relu", "Clip")
PADDED = "/padded"


@dataclass(frozen=True)
class _Place:
    """A depthwise convolution with the nodes around it: who makes its channels, who reads them, what is in between."""

    layer: Any
    maker: Any
    readers: tuple[Any, ...]
    between: tuple[str, ...]
    missing: int


def fill_channels(model: Any) -> int:
    """Widen depthwise convolutions in INT8 to a multiple of sixteen channels, in place.

    Those are left alone whose channels are made or read by anything but a convolution or, before them, a Concat.
    Tensors of another shape get names of their own.

    Returns:
        How many were widened.

    Raises:
        MissingExtra: onnx is not installed.
    """
    count = 0
    sizes = _sizes(model)
    for name in [node.name for node in model.graph.node if node.op_type == "Conv"]:
        graph = _Graph(model.graph, sizes)
        if (place := graph.find(name)) is not None:
            graph.widen(place)
            count += 1
    return count


class _Graph:
    """A Q/DQ graph, its makers and readers."""

    def __init__(self, graph: Any, sizes: Mapping[str, tuple[int, ...]]) -> None:
        self._graph, self._sizes = graph, sizes
        self._numpy = require("onnx.numpy_helper", "export")
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._makers, self._readers = map_makers(graph), map_readers(graph)
        self._outputs = {output.name for output in graph.output}

    def find(self, name: str) -> _Place | None:
        """Find what has to change around a convolution; None where it cannot be widened or need not be."""
        layer = next(node for node in self._graph.node if node.name == name)
        channels = self._channels(layer)
        missing = -channels % AT_ONCE
        if not missing or channels < FEWEST or _groups(layer) != channels or not self._is_quantised(layer.input[0]):
            return None
        before, after = self._before(layer.input[0]), self._after(layer.output[0])
        if before is None or after is None:
            return None
        (maker, between), (readers, behind) = before, after
        own = [name for node in (layer, maker, *readers) if node.op_type == "Conv" for name in self._weights(node)]
        if len(own) != len(set(own)) or any(len(self._readers[name]) > 1 for name in own):
            return None
        return _Place(layer, maker, tuple(readers), (*between, *behind), missing)

    def widen(self, place: _Place) -> None:
        """Fill up with zeros."""
        if place.maker.op_type == "Concat":
            self._add_to_concat(place)
        else:
            self._fill(place.maker, place.missing)
        self._fill(place.layer, place.missing)
        next(one for one in place.layer.attribute if one.name == "group").i += place.missing
        for reader in place.readers:
            self._pad(self._weight(reader), 1, place.missing)
        renamed = {name: f"{name}{PADDED}" for name in place.between}
        for node in self._graph.node:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.output[:] = [renamed.get(name, name) for name in node.output]

    def _channels(self, layer: Any) -> int:
        weight = self._constants.get(self._weight(layer))
        return int(weight.dims[0]) if weight is not None and len(weight.dims) == 4 and weight.dims[1] == 1 else 0

    def _is_quantised(self, name: str) -> bool:
        maker = self._makers.get(name)
        return maker is not None and maker.op_type == "DequantizeLinear"

    def _weight(self, layer: Any) -> str:
        """The constant of a layer's weights, of codes where it has them."""
        maker = self._makers.get(layer.input[1])
        return str(maker.input[0] if maker is not None and maker.op_type == "DequantizeLinear" else layer.input[1])

    def _weights(self, layer: Any) -> Iterator[str]:
        """The tensors that a layer has along its outputs: weights and bias, and of codes their scales and zeros."""
        for name in layer.input[1:3]:
            maker = self._makers.get(name)
            if maker is not None and maker.op_type == "DequantizeLinear":
                yield from maker.input
            elif name:
                yield name

    def _before(self, name: str) -> tuple[Any, list[str]] | None:
        """The convolution or Concat that makes the channels, and the tensors on the way."""
        names = [name]
        while (maker := self._makers.get(names[-1])) is not None:
            if len(self._readers[names[-1]]) > 1 or names[-1] in self._outputs:
                return None
            if maker.op_type in ("Conv", "Concat"):
                return (maker, names) if self._can_make(maker) else None
            if maker.op_type not in PASSING or not self._is_scalar(maker):
                return None
            names.append(maker.input[0])
        return None

    def _can_make(self, maker: Any) -> bool:
        if maker.op_type == "Concat":
            is_quantised = all(self._is_quantised(name) for name in maker.input)
            return is_quantised and maker.attribute[0].i == 1 and maker.output[0] in self._sizes
        return _groups(maker) == 1 and all(name in self._constants for name in self._weights(maker))

    def _after(self, name: str) -> tuple[list[Any], list[str]] | None:
        """The convolutions that read the channels, and the tensors on the way."""
        names, found = [name], []
        for one in names:
            if one in self._outputs:
                return None
            for reader in self._readers.get(one, []):
                if reader.op_type == "Conv" and _groups(reader) == 1 and self._weight(reader) in self._constants:
                    found.append(reader)
                elif reader.op_type in PASSING and self._is_scalar(reader):
                    names.append(reader.output[0])
                else:
                    return None
        return (found, names) if found else None

    def _is_scalar(self, node: Any) -> bool:
        """Whether a node does the same with every channel, and leaves zero what it was."""
        if node.op_type == "Clip":
            limits = [self._constants.get(name) for name in node.input[1:] if name]
            values = [float(self._numpy.to_array(one)) for one in limits if one is not None]
            return len(values) == len(limits) == 2 and values[0] <= 0 <= values[1]
        return all(int(np.prod(self._constants[name].dims)) == 1 for name in node.input[1:])

    def _fill(self, layer: Any, missing: int) -> None:
        """More outputs of a layer, with weights and biases of zero."""
        for name in self._weights(layer):
            self._pad(name, 0, missing)

    def _pad(self, name: str, axis: int, missing: int) -> None:
        tensor = self._constants[name]
        array = self._numpy.to_array(tensor)
        if array.ndim <= axis:
            return  # one scale for all
        wide = [(0, missing if at == axis else 0) for at in range(array.ndim)]
        is_scale = array.ndim == 1 and array.dtype == np.float32 and not self._is_bias(name)
        filled = np.pad(array, wide, mode="edge") if is_scale else np.pad(array, wide)
        tensor.CopyFrom(self._numpy.from_array(filled, name))

    def _is_bias(self, name: str) -> bool:
        return any(node.op_type == "Conv" and name in node.input[2:3] for node in self._readers[name])

    def _add_to_concat(self, place: _Place) -> None:
        """One more input of zeros, in the codes of the first."""
        helper = require("onnx.helper", "export")
        first = self._makers[place.maker.input[0]]
        zero = self._numpy.to_array(self._constants[first.input[2]])
        shape = (1, place.missing, *self._sizes[place.maker.output[0]])
        name = f"{place.layer.name}/zeros"
        self._graph.initializer.append(self._numpy.from_array(np.full(shape, zero, zero.dtype), name))
        node = helper.make_node("DequantizeLinear", [name, *first.input[1:]], [f"{name}/float"], name)
        self._graph.node.insert(list(self._graph.node).index(place.maker), node)
        place.maker.input.append(f"{name}/float")


def _sizes(model: Any) -> dict[str, tuple[int, ...]]:
    """Rows and columns of the tensors that have known ones."""
    shaped = require("onnx.shape_inference", "export").infer_shapes(model)
    shapes = {info.name: info.type.tensor_type.shape.dim for info in shaped.graph.value_info}
    return {
        name: (dims[2].dim_value, dims[3].dim_value)
        for name, dims in shapes.items()
        if len(dims) == 4 and dims[2].dim_value and dims[3].dim_value
    }


def _groups(layer: Any) -> int:
    return next((int(one.i) for one in layer.attribute if one.name == "group"), 1)
