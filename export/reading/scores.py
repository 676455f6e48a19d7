"""What the scores of a foreign network are: logits, probabilities of any kind, labels, or nothing to be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeseg.errors import SpecError
from edgeseg.export.reading.graph_view import Array, GraphView, call_node
from edgeseg.export.reading.meaning import LABELS, LOGITS, PROBABILITIES, SCORES, Meaning, sums_to_one
from edgeseg.export.reading.other_kinds import refuse_regression
from edgeseg.export.reading.tail import Tail
from edgeseg.export.reading.value_range import value_range
from edgeseg.image import Float32
from edgeseg.spec import ModelSpec

SCALES = ((0.0, 1.0), (0.0, 255.0), (0.0, 100.0), (-1.0, 1.0))
"""What stands for the probabilities 0 and 1 in networks of one channel: as they are, grey values, percent, tanh."""
ACTIVATIONS = ("Softmax", "Sigmoid")


def find_activation(view: GraphView, tensor: str) -> str | None:
    """Name the Softmax or Sigmoid that makes a tensor directly, but for what only moves values."""
    node = view.maker(view.before_layout(tensor))
    return str(node.op_type) if node is not None and node.op_type in ACTIVATIONS else None


def read_scores(
    view: GraphView, tail: Tail, axis: int | None, planes: Sequence[Float32], spec: ModelSpec, output: str
) -> Meaning:
    """Say what scores mean.

    Args:
        view: the graph.
        tail: where the scores are.
        axis: of the classes in them.
        planes: what they were for a few pictures, ``[1, K, h, w]``.
        spec: the task.
        output: the name of the network's output, for messages.

    Raises:
        SpecError: they can be neither.
    """
    if axis is None:
        return _one_channel(view, tail.scores, planes, output)
    low, high = value_range(view, tail.scores)
    between = low >= 0 and high <= 1
    if spec.task == "multilabel":
        return Meaning(PROBABILITIES if between else LOGITS, axis, independent=True)
    if all(sums_to_one(one) for one in planes):
        return Meaning(PROBABILITIES, axis)
    if find_activation(view, tail.scores) == "Softmax":
        node = view.maker(view.before_layout(tail.scores))
        assert node is not None
        raise SpecError(
            f"The Softmax {call_node(node)} before the output {output!r} does not run over the classes: what the "
            "classes of a pixel have does not add up to one. Export the network with Softmax(dim=1), or with logits."
        )
    if between or all(one.min() >= 0 and one.max() <= 1 for one in planes):
        return Meaning(SCORES, axis)
    return Meaning(LOGITS, axis)


def _one_channel(view: GraphView, tensor: str, planes: Sequence[Float32], output: str) -> Meaning:
    low, high = value_range(view, tensor)
    if low >= 0 and high <= 1:  # a Clip may have narrowed it
        return Meaning(PROBABILITIES, None)
    if (low, high) in SCALES:
        return Meaning(PROBABILITIES, None, low, high)
    refuse_regression(view, tensor, output)
    if np.isfinite(high - low) or all(one.min() >= 0 and one.max() <= 1 for one in planes):
        between = f"{low:g}..{high:g}" if np.isfinite(high - low) else "0..1"
        raise SpecError(
            f"The output {output!r} always lies in {between}: it looks like probabilities, not logits, and what was "
            "done to a final Softmax or Sigmoid is not known. Export the model with logits as output."
        )
    return Meaning(LOGITS)


def read_labels(values: Sequence[Array], spec: ModelSpec, output: str) -> Meaning:
    """Say that an output is labels.

    Raises:
        SpecError: one is no class of the spec, or the task has none.
    """
    largest = max(float(one.max()) for one in values)
    classes = spec.num_classes
    if spec.task == "binary" and all(set(np.unique(one)) <= {0, 255} for one in values):
        return Meaning(PROBABILITIES, None, 0.0, 255.0 if largest > 1 else 1.0)
    if spec.task == "multilabel" or not 0 <= largest < classes:
        raise SpecError(
            f"The output {output!r} holds labels, up to {largest:g}, for {classes} classes "
            f"({', '.join(spec.classes[:6])}). Give a class for each label in `classes`, or export the network with "
            "logits as output."
        )
    return Meaning(LABELS) if spec.task == "multiclass" else Meaning(PROBABILITIES, None)


def refuse_threshold(meaning: Meaning, spec: ModelSpec, output: str) -> None:
    """Refuse a threshold where nothing says how sure the network is.

    Raises:
        SpecError: naming the output.
    """
    if meaning.kind in (LABELS, SCORES) and spec.has_threshold:
        raise SpecError(
            f"The output {output!r} says which class a pixel has and not how sure that is, so no `threshold` can be "
            "applied. Leave it out, or export the network with logits as output."
        )
