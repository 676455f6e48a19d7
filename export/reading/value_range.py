"""Between which values a tensor of a graph always lies, as its last operations say.

Interval arithmetic from the tensor back to the first operation with weights, which gives any value. It tells
probabilities from logits where looking at a few results would be a guess.
"""

from __future__ import annotations

from math import inf

import onnx

from edgeseg.export.reading.graph_view import LAYOUT, GraphView, read_attribute

Range = tuple[float, float]
ANY: Range = (-inf, inf)
_KEPT = {
    *LAYOUT,
    *("Cast", "Slice", "Gather", "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "MaxPool", "AveragePool", "Split"),
    *("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceMin", "Round", "CastLike"),
}
_ALWAYS = {
    **dict.fromkeys(("Sigmoid", "Softmax", "HardSigmoid", "Not", "And", "Or"), (0.0, 1.0)),
    **dict.fromkeys(("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"), (0.0, 1.0)),
    **dict.fromkeys(("Exp", "Softplus"), (0.0, inf)),
    "Tanh": (-1.0, 1.0),
    "LogSoftmax": (-inf, 0.0),
    "ArgMax": (0.0, inf),
}
_DEEP = 60


def value_range(view: GraphView, name: str, deep: int = 0) -> Range:
    """Bound the values of a tensor; ``(-inf, inf)`` where nothing bounds them.

    >>> from onnx import TensorProto, helper
    >>> nodes = [helper.make_node("Sigmoid", ["x"], ["p"]), helper.make_node("Sub", ["one", "p"], ["q"])]
    >>> ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "q")]
    >>> one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    >>> view = GraphView(helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], [one])))
    >>> value_range(view, "q"), value_range(view, "x")
    ((0.0, 1.0), (-inf, inf))
    """
    if (value := view.constant(name)) is not None:
        return (float(value.min()), float(value.max())) if value.size and value.dtype.kind in "fiub" else ANY
    node = view.maker(name)
    return ANY if node is None or deep > _DEEP else _of_node(view, node, deep + 1)


def _of_node(view: GraphView, node: onnx.NodeProto, deep: int) -> Range:
    kind = node.op_type
    if kind in _KEPT or (kind == "Resize" and read_attribute(node, "mode", b"nearest") != b"cubic"):
        return value_range(view, node.input[0], deep)
    if kind in ("Concat", "Max", "Min", "Mean", "Where"):
        return _union(*(value_range(view, name, deep) for name in node.input[kind == "Where" :]))
    if kind in ("Relu", "Abs", "Clip"):
        return _cut(view, node, value_range(view, node.input[0], deep))
    if kind in ("Add", "Sub", "Mul", "Div"):
        return _arithmetic(kind, *(value_range(view, name, deep) for name in node.input[:2]))
    return _ALWAYS.get(kind, ANY)


def _union(*ranges: Range) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _cut(view: GraphView, node: onnx.NodeProto, given: Range) -> Range:
    low, high = given
    if node.op_type == "Relu":
        return max(low, 0.0), max(high, 0.0)
    if node.op_type == "Abs":
        return (low, high) if low >= 0 else (0.0, max(-low, high))
    least, most = clip_limits(view, node)
    return min(max(low, least), most), max(min(high, most), least)


def clip_limits(view: GraphView, node: onnx.NodeProto) -> Range:
    """Read between what a ``Clip`` cuts, of any opset."""
    limits = []
    for at, (name, none) in enumerate((("min", -inf), ("max", inf)), 1):
        given = view.number(node.input[at]) if len(node.input) > at and node.input[at] else None
        limits.append(float(read_attribute(node, name, none)) if given is None else given)
    return limits[0], limits[1]


def _arithmetic(kind: str, a: Range, b: Range) -> Range:
    if kind == "Sub":
        kind, b = "Add", (-b[1], -b[0])
    if kind == "Add":
        return a[0] + b[0], a[1] + b[1]
    if kind == "Div":
        if b[0] <= 0 <= b[1]:
            return ANY
        b = (1 / b[1], 1 / b[0])
    products = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    return min(products), max(products)
