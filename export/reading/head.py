"""What a foreign graph does to its pixels before its first layer, so that nobody does it twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from edgeseg.errors import SpecError
from edgeseg.export.reading.graph_view import LAYOUT, GraphView, call_node
from edgeseg.image import normalisation
from edgeseg.spec import ModelSpec

PLAUSIBLE = ((0.5, 12.0), (100.0, 300.0))
"""How far apart black and white lie for what networks are trained on: 1 (0..1), 2 (-1..1), about 4.4 (ImageNet), 255;
twice prepared they are under 0.02 or over 17."""


@dataclass(frozen=True)
class Head:
    """Arithmetic on the pixels: ``value * scale + shift`` a channel, and the nodes that do it."""

    scale: float = 1.0
    shift: float = 0.0
    nodes: tuple[str, ...] = ()


def read_head(model: onnx.ModelProto, name: str) -> Head:
    """Follow the image through what is plain arithmetic with constants; a mean over channels stands for them."""
    view, scale, shift, nodes = GraphView(model), 1.0, 0.0, []
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for given in node.input:
            readers.setdefault(given, []).append(node)
    while len(following := readers.get(name, [])) == 1:
        node = following[0]
        if node.op_type in ("Mul", "Div", "Add", "Sub") and (step := _step(view, node, name)) is not None:
            scale, shift = scale * step[0], shift * step[0] + step[1]
            nodes.append(call_node(node))
        elif node.op_type not in (*LAYOUT, "Cast"):
            break
        name = node.output[0]
    return Head(scale, shift, tuple(nodes))


def refuse_twice_prepared(head: Head, spec: ModelSpec) -> None:
    """Refuse a spec that prepares pixels which the file prepares itself.

    Raises:
        SpecError: with what the file does, and what to give.
    """
    if not head.nodes:
        return
    width = 255 * float(normalisation(spec)[0].mean()) * abs(head.scale)
    if any(low <= width <= high for low, high in PLAUSIBLE):
        return
    wants = 255 if head.scale < 0.1 else 1
    raise SpecError(
        f"This file prepares its pixels itself ({', '.join(head.nodes[:3])} multiply by {head.scale:.4g}), and with "
        f"this `mean` and `std` on top black and white are {width:.3g} apart for its first layer. Give "
        f"`mean={(0,) * spec.channels}`, `std={(1,) * spec.channels}` and `value_range={wants}`."
    )


def _step(view: GraphView, node: onnx.NodeProto, image: str) -> tuple[float, float] | None:
    """Scale and shift of one operation between the image and a constant of one value, or one a channel."""
    at = list(node.input).index(image)
    value = view.constant(node.input[1 - at])
    if value is None or value.size not in (1, 3):
        return None
    mean = float(np.mean(value.astype(np.float64)))
    if node.op_type == "Div":
        return (1 / mean, 0.0) if at == 0 and mean else None
    if node.op_type == "Mul":
        return mean, 0.0
    if node.op_type == "Add":
        return 1.0, mean
    return (1.0, -mean) if at == 0 else (-1.0, mean)
