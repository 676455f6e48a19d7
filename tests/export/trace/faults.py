"""Faults planted into models that were right: one function a fault, each gives a new model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgeseg.graphs.ir_file import save_ir
from edgeseg.image import normalisation
from edgeseg.spec import ModelSpec

Array = Any


def wrong_mean_std(model: onnx.ModelProto, spec: ModelSpec) -> onnx.ModelProto:
    """The graph normalises with the constants of ``spec`` instead of its own."""
    scale, shift = (values.reshape(1, -1, 1, 1) for values in normalisation(spec))
    changed = with_tensor(model, "edgeseg/scale", lambda _: scale)
    return with_tensor(changed, "edgeseg/shift", lambda _: shift)


def swapped_channels(model: onnx.ModelProto) -> onnx.ModelProto:
    """The reorder of BGR to RGB does nothing."""
    return with_tensor(model, "edgeseg/bgr_to_rgb", lambda _: np.array([0, 1, 2], np.int64))


def flipped_corners(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every Resize is done with aligned corners where it was not, and without where it was."""
    model = copied(model)
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Resize" and attribute.name == "coordinate_transformation_mode":
                attribute.s = b"half_pixel" if attribute.s == b"align_corners" else b"align_corners"
    return model


def outlier_channel(
    model: onnx.ModelProto, producer: str, consumers: dict[str, int], channel: int, factor: float = 100.0
) -> onnx.ModelProto:
    """One output channel of ``producer`` times ``factor``, its input in ``consumers`` divided by it.

    In float nothing changes where only a ReLU or a Concat lies between.

    Args:
        model: the float graph.
        producer: name of the weights (O, I, kh, kw).
        consumers: names of weights, and at which of their inputs the channel arrives.
        channel: of ``producer``.
        factor: how far it lies out.
    """

    def scaled(values: Array) -> Array:
        values[channel] *= factor
        return values

    def divided(at: int) -> Callable[[Array], Array]:
        def change(values: Array) -> Array:
            values[:, at] /= factor
            return values

        return change

    model = with_tensor(model, producer, scaled)
    for name, at in consumers.items():
        model = with_tensor(model, name, divided(at))
    return model


def narrow_quantiser(model: onnx.ModelProto, tensor: str, factor: float = 8.0) -> onnx.ModelProto:
    """The scale of a quantiser in a Q/DQ graph divided by ``factor``: large values saturate."""
    return with_tensor(model, f"{tensor}_scale", lambda scale: (scale / factor).astype(scale.dtype))


def narrow_fake_quantise(model: Any, tensor: str, path: Path, factor: float = 8.0) -> Path:
    """The same in an OpenVINO model; written to ``path``."""
    from openvino import opset13

    for node in model.get_ordered_ops():
        if node.get_type_name() != "FakeQuantize" or tensor not in node.input_value(0).get_names():
            continue
        for at in range(1, 5):
            limits = np.array(node.input_value(at).get_node().data) / np.float32(factor)
            node.input(at).replace_source_output(opset13.constant(limits).output(0))
    save_ir(model, path)
    return path


def with_tensor(model: onnx.ModelProto, name: str, change: Callable[[Array], Array]) -> onnx.ModelProto:
    """A copy in which one constant was changed."""
    model = copied(model)
    tensor = next(one for one in model.graph.initializer if one.name == name)
    values = np.asarray(change(numpy_helper.to_array(tensor).copy()))
    tensor.CopyFrom(numpy_helper.from_array(values.astype(numpy_helper.to_array(tensor).dtype), name))
    return model


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
