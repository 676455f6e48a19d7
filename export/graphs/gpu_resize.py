"""A deployed graph that takes whole frames: ``edgeseg.image.fit`` in front of it, for the GPU.

Where a frame is copied to the GPU anyway, its resize can happen there. The arithmetic is that of ``fit`` (half-pixel
bilinear, rounded to whole grey levels, letterbox of the same grey), so its pixels are within one grey level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ArtifactError
from edgeseg.image import LETTERBOX_VALUE, Placement, placement
from edgeseg.runtime.engines.engine import INPUT
from edgeseg.spec import ModelSpec

NAME = "edgeseg/resize/"
GREY_OF_BGR, GREY_SHIFT = (3735, 19235, 9798), 15
"""OpenCV's integers for grey; their sums are below 2^24, so float32 computes the same whole numbers."""


def resize_onnx(data: bytes, spec: ModelSpec, frame: tuple[int, int]) -> bytes:
    """Do as :func:`resize_graph` does, from bytes to bytes."""
    made: bytes = resize_graph(onnx.ModelProto.FromString(data), spec, frame).SerializeToString()
    return made


def resize_graph(model: onnx.ModelProto, spec: ModelSpec, frame: tuple[int, int]) -> onnx.ModelProto:
    """Put a resize in front of the same network.

    Args:
        model: a deployed graph, float, float16 or Q/DQ. Not changed.
        frame: height and width of the frames; every frame has to have them.

    Returns:
        A graph whose input ``image`` is uint8 ``[1, frame height, frame width, 3]`` BGR, also for grey networks; the
        outputs have the network's size, as before.

    Raises:
        ArtifactError: the input is not cast to float32 first, so it is no graph of edgeseg.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    users = [node for node in graph.node if INPUT in node.input]
    if len(users) != 1 or users[0].op_type != "Cast" or users[0].attribute[0].i != TensorProto.FLOAT:
        found = [node.op_type for node in users]
        raise ArtifactError(f"A graph of edgeseg casts {INPUT!r} to float32 first; found {found}. Export it again.")
    nodes, constants = _front(spec, frame, users[0].output[0])
    graph.node.remove(users[0])
    behind = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *behind])
    graph.initializer.extend(constants)
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, *frame, 3]))
    onnx.checker.check_model(made, full_check=True)
    return made


@dataclass(frozen=True)
class _Step:
    """A node on the way of the pixels: its inputs behind them (None: left out) and its attributes."""

    operation: str
    inputs: tuple[Any, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _front(spec: ModelSpec, frame: tuple[int, int], result: str) -> tuple[list[Any], list[onnx.TensorProto]]:
    """Nodes from ``image`` to the fitted NHWC float32 pixels ``result``, and their constants."""
    at = placement(frame, spec)
    steps = [_Step("Cast", (), {"to": TensorProto.FLOAT}), _Step("Transpose", (), {"perm": [0, 3, 1, 2]})]
    if spec.channels == 1:
        steps += _grey()
    if (at.height, at.width) != frame:
        sizes = np.array([1, spec.channels, at.height, at.width], np.int64)
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        steps += [_Step("Resize", (None, None, sizes), how), _Step("Round")]
    if (at.height, at.width) != (spec.height, spec.width):
        steps.append(_Step("Pad", (_borders(at, spec), np.float32(LETTERBOX_VALUE))))
    steps.append(_Step("Transpose", (), {"perm": [0, 2, 3, 1]}))
    return _chain(steps, result)


def _grey() -> list[_Step]:
    """``cv2.cvtColor`` in its own integers, rounded as it rounds."""
    weights = np.array(GREY_OF_BGR, np.float32).reshape(1, 3, 1, 1)
    return [
        _Step("Mul", (weights,)),
        _Step("ReduceSum", (np.array([1], np.int64),), {"keepdims": 1}),
        _Step("Add", (np.float32(1 << (GREY_SHIFT - 1)),)),
        _Step("Mul", (np.float32(2.0**-GREY_SHIFT),)),
        _Step("Floor"),
    ]


def _borders(at: Placement, spec: ModelSpec) -> Any:
    below, right = spec.height - at.top - at.height, spec.width - at.left - at.width
    return np.array([0, 0, at.top, at.left, 0, 0, below, right], np.int64)


def _chain(steps: Sequence[_Step], result: str) -> tuple[list[Any], list[onnx.TensorProto]]:
    """One node after the other, from ``image`` to ``result``."""
    nodes, constants, value = [], [], INPUT
    for number, step in enumerate(steps):
        name = f"{NAME}{step.operation}_{number}"
        names = ["" if array is None else f"{name}/{index}" for index, array in enumerate(step.inputs)]
        given = [(key, array) for key, array in zip(names, step.inputs, strict=True) if key]
        constants += [numpy_helper.from_array(np.asarray(array), key) for key, array in given]
        made = result if number == len(steps) - 1 else f"{name}/out"
        nodes.append(helper.make_node(step.operation, [value, *names], [made], name, **step.attributes))
        value = made
    return nodes, constants
