"""Outputs that are made to be looked at: labels as grey values or colours, and scores stretched picture by picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from edgeseg.errors import SpecError
from edgeseg.export.reading.graph_view import LAYOUT, GraphView, call_node, read_attribute

WEIGHED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
EXTREMES = ("ReduceMin", "ReduceMax", "GlobalMaxPool")
GREY = 255.0
_PASSED = (*LAYOUT, "Cast", "Clip", "Round", "Floor", "Ceil")
_VERBS = {"Mul": "multiplies them", "Div": "divides them", "Add": "adds to them", "Sub": "subtracts from them"}


@dataclass(frozen=True)
class Drawing:
    """Labels, and what was done to them.

    Attributes:
        labels: the ArgMax that gives them.
        scale, shift: what was multiplied and added, in the end.
        steps: operations that did so, and tables that labels are looked up in, from the output back.
    """

    labels: onnx.NodeProto
    scale: float
    shift: float
    steps: tuple[onnx.NodeProto, ...]

    @property
    def is_black_and_white(self) -> bool:
        """Two classes as 0 and 255."""
        looked_up = any(node.op_type == "Gather" for node in self.steps)
        return (self.scale, self.shift) == (GREY, 0.0) and not looked_up


def read_drawing(view: GraphView, output: str) -> Drawing | None:
    """Find the ArgMax behind an output that is its labels times, plus or by way of constants; None for others."""
    name, scale, shift = output, 1.0, 0.0
    steps: list[onnx.NodeProto] = []
    while (node := view.maker(name)) is not None:
        if node.op_type == "ArgMax":
            return Drawing(node, scale, shift, tuple(steps)) if steps else None
        if node.op_type in _PASSED:
            name = node.input[0]
        elif node.op_type == "Gather" and view.constant(node.input[0]) is not None:
            name = node.input[1]
            steps.append(node)
        elif (step := _step(view, node)) is not None:
            name, factor, term = step
            scale, shift = scale * factor, shift + scale * term
            steps.append(node)
        else:
            return None
    return None


def _step(view: GraphView, node: onnx.NodeProto) -> tuple[str, float, float] | None:
    """What a constant is put to, the factor and the term."""
    if node.op_type not in _VERBS:
        return None
    values = [view.number(name) for name in node.input]
    at = next((at for at, value in enumerate(values) if value is not None), None)
    if at is None or (node.op_type == "Div" and (at == 0 or values[at] == 0)):
        return None
    value, given = float(values[at] or 0.0), node.input[1 - at]
    if node.op_type in ("Mul", "Div"):
        return given, value if node.op_type == "Mul" else 1 / value, 0.0
    if node.op_type == "Add":
        return given, 1.0, value
    return (given, 1.0, -value) if at == 1 else (given, -1.0, value)


def refuse_drawing(drawing: Drawing, output: str) -> None:
    """Decline labels that were made to be looked at.

    Raises:
        SpecError: naming what drew them, and where the file can be cut.
    """
    last, argmax = drawing.steps[0], drawing.labels
    how = "looks them up in a table of colours" if last.op_type == "Gather" else _VERBS[last.op_type]
    raise SpecError(
        f"The output {output!r} is a drawing of the labels and not the labels: the ArgMax {call_node(argmax)} gives "
        f"them, and the {last.op_type} {call_node(last)} {how}. Export the network without that, best with the scores "
        f"{argmax.input[0]!r} as its output; onnx.utils.extract_model cuts the file there."
    )


def refuse_stretched(view: GraphView, output: str) -> None:
    """Decline scores that are stretched to the smallest and largest value of each picture.

    Raises:
        SpecError: naming the operation that looks at the whole picture, and what it stretches.
    """
    found = next((node for node in _after_weights(view, output) if _spans_picture(view, node)), None)
    if found is None:
        return
    raise SpecError(
        f"The output {output!r} is stretched picture by picture: the {found.op_type} {call_node(found)} looks for the "
        "smallest or largest value of the whole picture, so one that shows nothing gets a mask all the same, and no "
        f"threshold means the same twice. Export the network without that, with {found.input[0]!r} as its output; "
        "onnx.utils.extract_model cuts the file there."
    )


def _after_weights(view: GraphView, output: str) -> Iterator[onnx.NodeProto]:
    """Go back from an output to the last operations with weights."""
    waiting, seen = [output], set()
    while waiting:
        node = view.maker(waiting.pop())
        if node is None or node.op_type in WEIGHED or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        yield node
        waiting.extend(node.input)


def _spans_picture(view: GraphView, node: onnx.NodeProto) -> bool:
    """Tell whether an operation takes the extreme over height and width."""
    if node.op_type not in EXTREMES:
        return False
    axes = read_attribute(node, "axes")
    if axes is None and len(node.input) > 1 and node.input[1]:
        known = view.constant(node.input[1])
        axes = None if known is None else known.ravel().tolist()
    if not axes:
        return True
    rank = view.rank(node.input[0]) or 4
    from_end = {int(axis) % rank - rank for axis in axes}
    return {-1, -2} <= from_end or (rank == 4 and {-2, -3} <= from_end and -1 not in from_end)
