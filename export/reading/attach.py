"""The reading of a foreign network's tensor as operations of its graph, so that its output becomes logits.

The nodes are called ``edgeseg/...``: they are the author's post-processing or ours, and no quantiser touches them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeseg.export.reading.graph_view import GraphView
from edgeseg.export.reading.meaning import LABELS, LEAST, PROBABILITIES, SURE, Meaning

PREFIX = "edgeseg/reading/"
_PROBABILITY = ("Softmax", "Sigmoid", "HardSigmoid", "ArgMax")


class Attached:
    """A graph that grows at its output."""

    def __init__(self, net: onnx.ModelProto, tensor: str) -> None:
        self.net, self.tensor, self._count = net, tensor, 0

    def add(self, kind: str, *constants: Any, **attributes: Any) -> None:
        """Put an operation behind the output, with ``constants`` as its further inputs."""
        name = self._name(kind)
        inputs = [self.tensor, *(self.constant(value) for value in constants)]
        self.net.graph.node.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self.tensor = name

    def constant(self, value: Any) -> str:
        """Add a constant, and return its name."""
        name = self._name("constant")
        self.net.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def close(self) -> None:
        """Make the last result the one output, float32."""
        del self.net.graph.output[:]
        self.net.graph.output.append(helper.make_tensor_value_info(self.tensor, TensorProto.FLOAT, None))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{PREFIX}{kind}_{self._count}"


def attach_planes(end: Attached, meaning: Meaning, shape: Sequence[int]) -> tuple[int, int, int]:
    """Bring a tensor of ``shape`` to float32 ``[1, K, h, w]``; returns K, h and w."""
    end.add("Cast", to=TensorProto.FLOAT)
    if meaning.axis is None:
        sides = [side for side in shape if side != 1]
        sides = sides if len(sides) == 2 else list(shape[-2:])
        end.add("Reshape", np.array([1, 1, *sides], np.int64))
        return 1, sides[0], sides[1]
    if len(shape) == 3:
        end.add("Reshape", np.array([1, *shape], np.int64))
    whole, axis = [1, *shape] if len(shape) == 3 else list(shape), meaning.axis_of_4(len(shape))
    if axis == 1:
        return whole[1], whole[2], whole[3]
    order = [0, axis, *(at for at in (1, 2, 3) if at != axis)]
    end.add("Transpose", perm=order)
    channels, height, width = (whole[at] for at in order[1:])
    return channels, height, width


def attach_logits(end: Attached, meaning: Meaning, channels: int, classes: int) -> None:
    """Turn planes into logits, as :meth:`~edgeseg.export.reading.meaning.Meaning.logits` does."""
    if meaning.kind == LABELS:
        end.add("Equal", np.arange(classes, dtype=np.float32).reshape(1, -1, 1, 1))
        end.add("Cast", to=TensorProto.FLOAT)
        end.add("Mul", np.float32(SURE))
    elif meaning.kind == PROBABILITIES:
        _attach_logarithm(end, meaning, channels)


def _attach_logarithm(end: Attached, meaning: Meaning, channels: int) -> None:
    if (meaning.low, meaning.high) != (0.0, 1.0):
        end.add("Sub", np.float32(meaning.low))
        end.add("Mul", np.float32(1 / (meaning.high - meaning.low)))
    complement = meaning.has_complement(channels)
    end.add("Max", np.float32(LEAST))
    if not complement:
        end.add("Log")
        return
    end.add("Min", np.float32(1 - LEAST))
    p = end.tensor
    end.add("Log")
    log_p, end.tensor = end.tensor, p
    end.add("Neg")
    end.add("Add", np.float32(1))
    end.add("Log")
    end.add("Neg")
    name = f"{PREFIX}logit"
    end.net.graph.node.append(helper.make_node("Add", [log_p, end.tensor], [name], name=name))
    end.tensor = name


def keep_from_quantisers(net: onnx.ModelProto, tensor: str) -> None:
    """Give what stands between an activation and ``tensor`` names that quantisers leave alone, in place."""
    view, waiting, seen = GraphView(net), [tensor], set()
    while waiting:
        node = view.maker(waiting.pop())
        if node is None or node.output[0] in seen or node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
            continue
        seen.add(node.output[0])
        node.name = f"{PREFIX}{node.op_type}_{node.output[0]}"
        if node.op_type not in _PROBABILITY:
            waiting.extend(node.input)
