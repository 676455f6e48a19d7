"""What stands between the scores of a foreign network and its output: ArgMax, or a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from edgeseg.export.reading.graph_view import GraphView, read_attribute
from edgeseg.export.reading.value_range import value_range

NOTHING, ARGMAX, THRESHOLD = "nothing", "ArgMax", "threshold"


@dataclass(frozen=True)
class Tail:
    """The end of a network.

    Attributes:
        scores: the tensor before it; the output itself where there is nothing.
        kind: what makes labels of scores.
        axis: where ArgMax has the classes, from the front or from the end.
        limit: what a threshold compares with.
    """

    scores: str
    kind: str = NOTHING
    axis: int | None = None
    limit: float = 0.0


def read_tail(view: GraphView, output: str) -> Tail:
    """Find the scores behind a network's output; what cannot be undone for certain counts as no tail."""
    node = view.maker(view.before_layout(output, "Cast"))
    if node is None:
        return Tail(output)
    if node.op_type == "ArgMax" and not read_attribute(node, "select_last_index", 0):
        return (
            Tail(node.input[0], ARGMAX, read_attribute(node, "axis", 0))
            if view.is_float(node.input[0])
            else Tail(output)
        )
    compared = _threshold(view, node)
    return Tail(output) if compared is None else Tail(compared[0], THRESHOLD, limit=compared[1])


def _threshold(view: GraphView, node: onnx.NodeProto) -> tuple[str, float] | None:
    """What is compared, and with what."""
    kind, inputs = node.op_type, node.input
    if kind in ("Greater", "GreaterOrEqual") and (limit := view.number(inputs[1])) is not None:
        return inputs[0], limit
    if kind in ("Less", "LessOrEqual") and (limit := view.number(inputs[0])) is not None:
        return inputs[1], limit
    if kind == "Round" and value_range(view, inputs[0]) == (0.0, 1.0):
        return inputs[0], 0.5
    if kind == "Where" and (view.number(inputs[1]) or 0.0) > 0 and view.number(inputs[2]) == 0:
        return _behind(view, inputs[0])
    if kind == "Mul":
        factors = [view.number(name) for name in inputs]
        at = next((i for i, factor in enumerate(factors) if factor is not None and factor > 0), None)
        return None if at is None else _behind(view, inputs[1 - at])
    return None


def _behind(view: GraphView, name: str) -> tuple[str, float] | None:
    node = view.maker(view.before_layout(name, "Cast"))
    return None if node is None else _threshold(view, node)
