"""Small foreign networks of every form: one convolution, and what somebody put behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

H, W = 16, 24
INT64, INT32, UINT8, HALF, FLOAT = (
    TensorProto.INT64,
    TensorProto.INT32,
    TensorProto.UINT8,
    TensorProto.FLOAT16,
    TensorProto.FLOAT,
)


@dataclass
class Graph:
    """``x`` to ``y``, the scores of ``outputs`` classes, and further nodes.

    Attributes:
        outputs: how many classes.
        stride: of the convolution: scores are smaller by it.
        opset: the operator set.
        last: the image comes with its channels last.
        kind: element type of the image.
        batch: how many pictures go in at once.
        channels: of the image.
    """

    outputs: int = 3
    stride: int = 1
    opset: int = 17
    last: bool = False
    kind: int = FLOAT
    batch: int = 1
    channels: int = 3
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    at: str = "y"

    def __post_init__(self) -> None:
        shape = (H, W, self.channels) if self.last else (self.channels, H, W)
        self.inputs.append(helper.make_tensor_value_info("x", self.kind, [self.batch, *shape]))
        image = "x"
        if self.kind == UINT8:
            self._put("Cast", [image], "pixels", to=FLOAT)
            image = self._put("Mul", ["pixels", self.constant(np.float32(1 / 60))], "scaled")
        if self.last:
            image = self._put("Transpose", [image], "planes", perm=[0, 3, 1, 2])
        rng = np.random.default_rng(self.outputs)
        values = rng.normal(0, 1, (self.outputs, self.channels, 1, 1)).astype(np.float16 if self.kind == HALF else "f4")
        self._put("Conv", [image, self.constant(values)], "y", strides=[self.stride] * 2, name="head")

    def constant(self, values: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _put(self, op: str, inputs: Sequence[str], result: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [result], **{"name": f"{op}_{len(self.nodes)}", **attributes}))
        return result

    def put(self, op: str, *constants: Any, first: bool = False, **attributes: Any) -> Graph:
        """Put an operation behind the last one, with constants as its other inputs (before it with ``first``)."""
        others = [self.constant(value) if not isinstance(value, str) else value for value in constants]
        inputs = [*others, self.at] if first else [self.at, *others]
        self.at = self._put(op, inputs, f"t{len(self.nodes)}", **attributes)
        return self

    def resize(self, to: int = 2, **attributes: Any) -> Graph:
        """Enlarge, bilinear."""
        name = self.constant(np.array([1, 1, to, to], np.float32))
        return self.put("Resize", "", name, mode="linear", **attributes)

    def model(self, kind: int = FLOAT, shape: Sequence[object] = tuple("nkhw"), *others: Any) -> onnx.ModelProto:
        """The file; ``others`` are further outputs with their shapes."""
        declared = [helper.make_tensor_value_info(self.at, kind, shape)]
        declared += [helper.make_tensor_value_info(name, FLOAT, sizes) for name, sizes in others]
        graph = helper.make_graph(self.nodes, "g", self.inputs, declared, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
