"""Traces of a network that was exported while it was training: it computes something else than was trained."""

from __future__ import annotations

import onnx

from edgeseg.errors import SpecError
from edgeseg.export.reading.graph_view import LAYOUT, GraphView, call_node, read_attribute

RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_STATISTICS = (*LAYOUT, "ReduceMean", "Sub", "Mul", "Pow", "Sqrt", "Add", "Div", "Cast")
EVAL = "Call net.eval() before torch.onnx.export (for Keras: export for inference), and export it again."


def refuse_training_traces(model: onnx.ModelProto) -> list[str]:
    """Refuse a graph in which normalisation or dropout works as in training.

    Args:
        model: with the outputs that count; what leads to none of them is not looked at.

    Returns:
        A sentence for each thing that is allowed and should be known.

    Raises:
        SpecError: naming the layer, and ``eval()``.
    """
    view = GraphView(model)
    live = _find_live(model.graph)
    batch_norms = [node for node in live if node.op_type == "BatchNormalization"]
    untracked = [node for node in batch_norms if view.constant(node.input[3]) is None]
    own_statistics = _ancestors(view, [name for node in untracked for name in node.input[3:5]])
    for node in live:
        _refuse_batch_norm(node, node in untracked)
        _refuse_dropout(view, node)
        _refuse_chance(node)
        if not own_statistics.intersection(node.output):
            _refuse_batch_mean(view, node)
    return _describe_instances(live, untracked)


def refuse_two_results(equal: bool) -> None:
    """Refuse a network that gave two results for one picture.

    Raises:
        SpecError: saying so.
    """
    if not equal:
        raise SpecError(
            f"This network gives two different results for one picture, as dropout in training does. {EVAL}"
        )


def _find_live(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    needed, live = {entry.name for entry in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            live.append(node)
            needed.update(node.input)
            needed.update(name for entry in node.attribute for sub in entry.g.node for name in sub.input)
    return live[::-1]


def _ancestors(view: GraphView, names: list[str]) -> set[str]:
    """Tensors that lead from the batch to ``names``, as far as there are only means and arithmetic."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        node = view.maker(name := waiting.pop())
        if node is not None and name not in found and node.op_type in _STATISTICS:
            found.add(name)
            waiting.extend(node.input)
    return found


def trains(node: onnx.NodeProto) -> bool:
    """Tell whether a BatchNormalization normalises by the batch that it sees, in the words of any opset."""
    several = len([name for name in node.output if name]) > 1
    return node.op_type == "BatchNormalization" and bool(read_attribute(node, "training_mode", 0) or several)


def _refuse_batch_norm(node: onnx.NodeProto, untracked: bool) -> None:
    if trains(node) and not untracked:
        raise SpecError(
            f"The BatchNormalization {call_node(node)} is in training mode: it normalises by the one picture that it "
            f"sees, not by the mean and variance that were learned. {EVAL}"
        )


def _refuse_dropout(view: GraphView, node: onnx.NodeProto) -> None:
    if node.op_type != "Dropout" or len(node.input) < 3 or not node.input[2]:
        return
    if view.number(node.input[2]) != 0:
        raise SpecError(
            f"The Dropout {call_node(node)} is in training mode, so that every run gives another mask. {EVAL}"
        )


def _refuse_chance(node: onnx.NodeProto) -> None:
    if node.op_type in RANDOM:
        raise SpecError(
            f"The network draws lots ({node.op_type} {call_node(node)}), as dropout does in training, so that every "
            f"run gives another mask. {EVAL}"
        )


def _refuse_batch_mean(view: GraphView, node: onnx.NodeProto) -> None:
    """What exporters make of BatchNorm in training: a mean over batch, height and width."""
    if node.op_type not in ("ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2"):
        return
    axes = read_attribute(node, "axes")
    if axes is None and len(node.input) > 1 and (given := view.constant(node.input[1])) is not None:
        axes = given.ravel().tolist()
    if axes is not None and view.rank(node.input[0]) == 4 and {a % 4 for a in axes} in ({0, 2, 3}, {0, 1, 2}):
        raise SpecError(
            f"The network takes a mean over batch, height and width ({node.op_type} {call_node(node)}), as "
            f"BatchNormalization does in training: it normalises by the one picture that it sees. {EVAL}"
        )


def _describe_instances(live: list[onnx.NodeProto], untracked: list[onnx.NodeProto]) -> list[str]:
    found = [*untracked, *(node for node in live if node.op_type == "InstanceNormalization")]
    if not found:
        return []
    how = "BatchNorm2d with track_running_stats=False" if untracked else "InstanceNorm2d or GroupNorm"
    return [
        f"{len(found)} normalisations ({call_node(found[0])}, ...) use the mean and variance of each picture, as {how} "
        "does. That is right where training did the same, and what one pixel gets depends on the whole picture."
    ]
