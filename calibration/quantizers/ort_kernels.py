"""What ONNX Runtime's INT8 kernels compute otherwise than a Q/DQ file says: what is known, and what is found.

Known of version 1.32: see :func:`avoid_known`. The rest is found kernel by kernel, as masks cannot tell. Of a hundred
thousand values one lies so close between two codes that the last bit of a float sum decides; layer after layer
such a flip becomes many, until they are as large as the noise of eight bits itself, whoever rounds. Where labels
hang on little, as in a network that was hardly trained, that is several percent of them, with no INT8 kernel in use.

So the graph is cut at every QuantizeLinear. Each kernel is given the codes that exact arithmetic found before it,
and what it makes of them is compared with what exact arithmetic makes: nothing adds up, and what is wrong has a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.console.extras import require
from edgeseg.graphs.onnx_graph import map_makers
from edgeseg.image import UInt8
from edgeseg.runtime.engines.ort_session import EVERYTHING, NOTHING, open_session

Q, DQ = "QuantizeLinear", "DequantizeLinear"
MADE = "/made"
MAX_SHIFT = 0.2
"""Mean difference, in codes. Rounding ties up instead of to even shifts a mean of two values by 0.125, cutting off
what is behind the point by 0.5."""

Codes = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class WrongKernel:
    """A kernel whose codes are not a matter of rounding.

    Attributes:
        nodes: names of what it computes, from its quantised inputs to its quantised output.
        worst: largest difference to exact arithmetic, in codes.
        shift: mean difference, in codes.
    """

    nodes: tuple[str, ...]
    worst: int
    shift: float

    def __str__(self) -> str:
        return f"{' + '.join(self.nodes)} (up to {self.worst} codes, {self.shift:+.2f} in the mean)"


def avoid_known(model: Any) -> tuple[Any, frozenset[str]]:
    """Keep a graph from the kernels that are known to be wrong on every processor.

    An AveragePool with ``ceil_mode`` and ``count_include_pad``, which is what ``torch.nn.AvgPool2d(2, ceil_mode=True)``
    becomes, is divided by the size of the whole window in INT8 where it reaches over the edge: up to 105 codes. With
    no padding the two settings mean the same as without ``count_include_pad``, which is computed rightly; whether a
    window of a padded one reaches over the edge is found.
    A Softmax works with the reciprocal of its output scale cut to a whole number, 254 for 1/255: with two classes half
    a code too low in the mean.

    Args:
        model: a float graph. Not changed.

    Returns:
        A graph that computes the same, and the names of what has to be computed in float.
    """
    copy = require("onnx", "export").ModelProto()
    copy.CopyFrom(model)
    for pool in filter(_counts_beyond_edge, copy.graph.node):
        if not any(_attribute(pool, "pads") or ()):
            pool.attribute.remove(next(one for one in pool.attribute if one.name == "count_include_pad"))
    return copy, frozenset(node.name for node in copy.graph.node if node.op_type == "Softmax")


def _counts_beyond_edge(node: Any) -> bool:
    return node.op_type == "AveragePool" and bool(
        _attribute(node, "ceil_mode") and _attribute(node, "count_include_pad")
    )


def _attribute(node: Any, name: str) -> Any:
    value = require("onnx", "export").helper.get_attribute_value
    return next((value(one) for one in node.attribute if one.name == name), None)


def find_wrong_kernels(model: Any, pictures: Sequence[UInt8], optimisation: str = EVERYTHING) -> list[WrongKernel]:
    """Find what ONNX Runtime computes otherwise than the file says, on this processor.

    Args:
        model: a deployed Q/DQ graph. Not changed.
        pictures: network inputs, (1, H, W, C) uint8.
        optimisation: how ONNX Runtime runs it.

    Returns:
        In the order of computation; empty where every code is right but for ties that were rounded to the other side.

    Raises:
        MissingExtra: onnx or ONNX Runtime is not installed.
    """
    made = _activation_quantisers(model.graph)
    exact = open_session(_with_outputs(model, list(made)).SerializeToString(), NOTHING, spins=False)
    found = [_run(exact, {"image": picture}, made) for picture in pictures]
    cut = open_session(_cut(model, made, found[0]).SerializeToString(), optimisation, spins=False)
    needed = {entry.name for entry in cut.get_inputs()}
    repeated = [
        _repeat(cut, needed, {**codes, "image": picture}) for picture, codes in zip(pictures, found, strict=True)
    ]
    makers = map_makers(model.graph)
    wrong = (_judge(_unit(node, makers), _differences(name, found, repeated)) for name, node in made.items())
    return [kernel for kernel in wrong if kernel is not None]


def _activation_quantisers(graph: Any) -> dict[str, Any]:
    """The nodes that make codes of activations, by what they make."""
    constants = {tensor.name for tensor in graph.initializer}
    return {node.output[0]: node for node in graph.node if node.op_type == Q and node.input[0] not in constants}


def _with_outputs(model: Any, names: Sequence[str]) -> Any:
    onnx = require("onnx", "export")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return copy


def _run(session: Any, inputs: Mapping[str, Any], names: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(names, session.run(list(names), inputs), strict=True))


def _cut(model: Any, made: Mapping[str, Any], codes: Codes) -> Any:
    """The graph with each tensor of codes twice: as an input that is read, and as an output that is made."""
    onnx = require("onnx", "export")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        if node.output[0] in made:
            node.output[0] += MADE
    entry, kind = onnx.helper.make_tensor_value_info, onnx.helper.np_dtype_to_tensor_dtype
    copy.graph.input.extend(entry(name, kind(array.dtype), array.shape) for name, array in codes.items())
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name + MADE) for name in codes)
    return copy


def _repeat(cut: Any, needed: set[str], values: Codes) -> dict[str, Any]:
    inputs = {name: values[name] for name in needed}
    return _run(cut, inputs, [output.name for output in cut.get_outputs()])


def _differences(name: str, found: Sequence[Codes], repeated: Sequence[Codes]) -> npt.NDArray[np.int32]:
    pairs = zip(found, repeated, strict=True)
    return np.concatenate([(b[name + MADE].astype(np.int32) - a[name]).ravel() for a, b in pairs], dtype=np.int32)


def _judge(nodes: tuple[str, ...], differences: npt.NDArray[np.int32]) -> WrongKernel | None:
    worst, shift = int(np.abs(differences).max()), float(differences.mean())
    return WrongKernel(nodes, worst, shift) if worst > 1 or abs(shift) > MAX_SHIFT else None


def _unit(quantiser: Any, makers: Mapping[str, Any]) -> tuple[str, ...]:
    """What lies between the codes that a quantiser's value comes from and the quantiser, first nodes first."""
    names: list[str] = []
    waiting = list(quantiser.input[:1])
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.op_type not in (Q, DQ) and node.name not in names:
            names.append(node.name)
            waiting += node.input
    return tuple(reversed(names))
