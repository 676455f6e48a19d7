"""Graphs whose channels come last, as TensorFlow writes them, brought to channels first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from edgeseg.export.graphs.ort_session import Forward
from edgeseg.export.source.graph_facts import image_input, is_channels_last, static_dimensions
from edgeseg.image import Float32
from edgeseg.spec import ModelSpec

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True)
class Layout:
    """Whether the channels of the image, and of the logits, come last."""

    image_last: bool = False
    logits_last: bool = False

    def graph_input(self, values: Float32) -> Float32:
        """Turn ``[1, C, H, W]`` into what the graph wants."""
        return np.ascontiguousarray(values.transpose(TO_LAST)) if self.image_last else values

    def planes(self, run: Forward) -> Forward:
        """Make the graph a function from ``[1, C, H, W]`` to ``[1, K, H, W]``."""

        def forward(values: Float32) -> Float32:
            found = run(self.graph_input(values))
            return np.ascontiguousarray(found.transpose(TO_FIRST)) if self.logits_last else found

        return forward


def input_layout(graph: onnx.GraphProto, run: Forward, spec: ModelSpec) -> Layout:
    """Find out what comes last; the output is asked by running the graph, since files need not say its size."""
    layout = Layout(is_channels_last(static_dimensions(image_input(graph))))
    blank = np.zeros((1, spec.channels, spec.height, spec.width), np.float32)
    shape = run(layout.graph_input(blank)).shape
    fits = len(shape) == 4 and shape[3] == spec.logit_channels
    other = shape[1:3] == (spec.height, spec.width) != shape[2:]
    return Layout(layout.image_last, fits and (layout.image_last or other))


def bring_channels_first(graph: onnx.GraphProto, layout: Layout, spec: ModelSpec) -> None:
    """Put Transposes around a graph, in place; simplifying moves them inwards until they meet."""
    if layout.image_last:
        given, element = graph.input[0].name, graph.input[0].type.tensor_type.elem_type
        name, shape = f"{given}/planes", [1, spec.channels, spec.height, spec.width]
        graph.node.insert(0, helper.make_node("Transpose", [name], [given], name=f"{given}/to_last", perm=TO_LAST))
        graph.input[0].CopyFrom(helper.make_tensor_value_info(name, element, shape))
    if layout.logits_last:
        output = graph.output[0].name
        name = f"{output}/planes"
        graph.node.append(helper.make_node("Transpose", [output], [name], name=f"{output}/to_first", perm=TO_FIRST))
        graph.output[0].name = name
        graph.output[0].type.tensor_type.ClearField("shape")
