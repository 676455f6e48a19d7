"""Copies of an ONNX artifact with a known fault: one that does more work, and one whose masks are worse by so much.

What an artifact records stays as it was, and its digests are made anew: to a gate it is the network that was proven.
Both faults are real ones. More work is a convolution in the graph, whose result is added to the logits as next to
nothing; worse masks are other weights, as strong as it takes to lose the points that are asked for.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edgeseg.artifact import Artifact, write_manifest
from edgeseg.runtime.measure.latency_gate import LatencyRatio, latency_ratio

NEXT_TO_NOTHING = 1e-30
MOST_TRIALS, NEAR = 30, 0.02
TIMED_S, TRUE_S = 4.0, 20.0


def copy_with(artifact: Artifact, path: Path, model: ModelProto) -> Artifact:
    """Write a copy of an artifact with another graph, and what it records as it was."""
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(artifact.path, path)
    onnx.save(model, path / artifact.model_path.name)
    fields = ("name", "precision", "format", "spec", "outputs", "parents", "calibration", "toolchain", "measured")
    write_manifest(path, {field: getattr(artifact, field) for field in fields})
    return Artifact.open(path)


def slow_down(artifact: Artifact, path: Path, share: float) -> tuple[Artifact, LatencyRatio]:
    """Add work to a graph until it costs so much more, and measure how much it is.

    Args:
        artifact: in ONNX.
        path: of the copy.
        share: 0.1 for 10 %.

    Returns:
        The copy, and its cost in runs of the artifact, measured anew for longer.
    """
    channels = 8
    for _ in range(5):
        found = latency_ratio(copy_with(artifact, path, _add_work(artifact, channels)), TIMED_S, artifact).ratio - 1
        wanted = max(1, round(channels * share / max(found, 0.002)))
        if wanted == channels:
            break
        channels = min(wanted, 64)
    slower = copy_with(artifact, path, _add_work(artifact, channels))
    return slower, latency_ratio(slower, TRUE_S, artifact)


def _add_work(artifact: Artifact, channels: int) -> ModelProto:
    """A 3x3 convolution of what the head reads, its mean times next to nothing added to the logits."""
    model = onnx.load(artifact.model_path)
    graph = model.graph
    head = _head(model)
    depth = _weights(model, head.input[1]).shape[1]
    drawn = np.random.default_rng(0).normal(0, 0.1, (channels, depth, 3, 3)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(drawn, "more_weights"))
    graph.initializer.append(numpy_helper.from_array(np.float32(NEXT_TO_NOTHING), "next_to_nothing"))
    logits = head.output[0]
    head.output[0] = "logits_before"
    nodes = [
        helper.make_node("Conv", [head.input[0], "more_weights"], ["more"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["more"], ["more_mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["more_mean", "next_to_nothing"], ["nothing"]),
        helper.make_node("Add", ["logits_before", "nothing"], [logits]),
    ]
    at = list(graph.node).index(head) + 1
    for offset, node in enumerate(nodes):
        graph.node.insert(at + offset, node)
    return model


def lose_points(
    artifact: Artifact, path: Path, kind: int, points: float, measure: Callable[[Artifact], float]
) -> tuple[Artifact, float, str]:
    """Change weights until the mIoU is lower by so many points.

    Args:
        artifact: in ONNX.
        path: of the copy.
        kind: which change: one of three is a shift of one bias of the head, the others are noise on the weights of one
            layer, another one each time.
        points: to lose.
        measure: gives the mIoU of an artifact, 0..1.

    Returns:
        The copy, the points that it lost, and what was changed.
    """
    before, strength, said = measure(artifact), 0.5 if kind % 3 == 0 else 0.4, ""
    low, high = (0.0, 0.0), (math.inf, math.inf)
    for _ in range(MOST_TRIALS):
        model, said = _change(artifact, kind, strength)
        worse = copy_with(artifact, path, model)
        lost = 100 * (before - measure(worse))
        if abs(lost - points) <= NEAR:
            return worse, lost, said
        low, high = ((strength, lost), high) if lost < points else (low, (strength, lost))
        strength = _between(low, high, points)
    raise RuntimeError(f"{said} loses {lost:.3f} points, not {points:g}")


def _between(low: tuple[float, float], high: tuple[float, float], points: float) -> float:
    """Guess a strength from one that loses too little and one that loses too much, as a power of it."""
    if math.isinf(high[0]):
        return 2 * low[0]
    if low[1] <= 0:
        return max((low[0] + high[0]) / 2, high[0] * min(0.9, math.sqrt(points / high[1])))
    power = math.log(points / low[1]) / math.log(high[1] / low[1])
    return low[0] * (high[0] / low[0]) ** min(max(power, 0.1), 0.9)


def _change(artifact: Artifact, kind: int, strength: float) -> tuple[ModelProto, str]:
    model = onnx.load(artifact.model_path)
    if kind % 3 == 0:
        name = _head(model).input[2]
        bias = _weights(model, name)
        number = kind // 3
        at, sign = number % len(bias), 1 if number // len(bias) % 2 == 0 else -1
        bias[at] += sign * strength
        _replace(model, name, bias)
        return model, f"bias {at} of the head {sign * strength:+.4f}"
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    name = layers[(7 * kind) % len(layers)].input[1]
    weights = _weights(model, name)
    drawn = np.random.default_rng(kind).normal(0, strength * weights.std(), weights.shape)
    _replace(model, name, (weights + drawn).astype(np.float32))
    return model, f"noise of {strength:.4f} of the spread of {name}"


def _head(model: ModelProto) -> NodeProto:
    return [node for node in model.graph.node if node.op_type == "Conv"][-1]


def _weights(model: ModelProto, name: str) -> np.ndarray:
    return next(numpy_helper.to_array(one).copy() for one in model.graph.initializer if one.name == name)


def _replace(model: ModelProto, name: str, values: np.ndarray) -> None:
    found = next(one for one in model.graph.initializer if one.name == name)
    found.CopyFrom(numpy_helper.from_array(values, name))
